import type { BeginResult, IdempotenceStore } from '@duobus/core';
import { memoryStore } from '@duobus/core';
import type { InboxHarness } from '../../src/inbox/index.ts';

interface Tx {
  readonly writes: string[];
}

/** What a store with transactions can get wrong. */
export interface Flaws {
  readonly commitsWhatFailed?: boolean;
  readonly marksWhatFailed?: boolean;
  readonly wrapsErrors?: boolean;
  readonly marksNothing?: boolean;
  readonly losesValues?: boolean;
  readonly runsTwoAtATime?: boolean;
  readonly settlesRunning?: boolean;
  readonly nestsInTheOuter?: boolean;
  readonly ignoresLeases?: boolean;
  readonly ignoresSignals?: boolean;
  readonly neverExpires?: boolean;
  readonly cutsKeys?: boolean;
}

/** Transactions in memory, with flaws. */
export function transactionalHarness(flaws: Flaws = {}): InboxHarness {
  const committed: string[] = [];
  const stores = new Map<unknown, IdempotenceStore>();
  let open: Tx | undefined;
  const make = (options: { readonly keepsForMs?: number | null }): IdempotenceStore<Tx> => {
    const marks = memoryStore(flaws.neverExpires === true ? { keepsForMs: null } : options);
    const running = new Set<string>();
    const isTaken = (key: string): BeginResult | undefined => {
      if (running.has(key) && flaws.runsTwoAtATime !== true)
        return flaws.settlesRunning === true ? 'done' : 'running';
      running.add(key);
      return undefined;
    };
    return {
      keepsForMs: options.keepsForMs === undefined ? marks.keepsForMs : options.keepsForMs,
      begin: (key, leaseMs, owner) => marks.begin(key, leaseMs, owner),
      done: (key, owner) => marks.done(key, owner),
      fail: (key, owner) => marks.fail(key, owner),
      async transaction(given, effect, signal) {
        const key = flaws.cutsKeys === true ? given.slice(0, 1000) : given;
        if (flaws.ignoresSignals !== true) signal?.throwIfAborted();
        const taken = isTaken(key);
        if (taken !== undefined) return { result: taken };
        const mark = await marks.begin(key, 60_000, 'transaction');
        const result = mark === 'running' && flaws.ignoresLeases === true ? 'new' : mark;
        if (result !== 'new') {
          running.delete(key);
          return { result };
        }
        const outer = open;
        const tx = flaws.nestsInTheOuter === true && outer !== undefined ? outer : { writes: [] };
        open = tx;
        try {
          const value = await effect(tx);
          if (tx !== outer) committed.push(...tx.writes);
          await (flaws.marksNothing === true
            ? marks.fail(key, 'transaction')
            : marks.done(key, flaws.ignoresLeases === true ? undefined : 'transaction'));
          return flaws.losesValues === true ? { result } : { result, value };
        } catch (error) {
          if (flaws.commitsWhatFailed === true) committed.push(...tx.writes);
          await (flaws.marksWhatFailed === true
            ? marks.done(key, 'transaction')
            : marks.fail(key, 'transaction'));
          throw flaws.wrapsErrors === true ? new Error('failed', { cause: error }) : error;
        } finally {
          open = outer;
          running.delete(key);
        }
      },
    };
  };
  return {
    name: 'transactions in memory',
    open: async (options = {}) => {
      const store = stores.get(options.keepsForMs) ?? make(options);
      stores.set(options.keepsForMs, store);
      return { store, close: async () => undefined };
    },
    effects: {
      write: (tx, effect) => void (tx as Tx).writes.push(effect),
      read: async (containing) => committed.filter((effect) => effect.includes(containing)),
    },
  };
}
