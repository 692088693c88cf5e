import { inParallel, type Settlement } from '@duobus/core/driver';
import { deleteMessages, hideMessages, width } from './queue-batches.ts';
import { deadKey, removeDeadLetter, writeDeadLetter } from './queue-dead-letters.ts';
import type { Held } from './queue-held.ts';
import { hideableMs, Lease, noteOn } from './queue-lease.ts';
import { removeNote } from './queue-notes.ts';
import type { Scope } from './queue-scope.ts';

export type Settled = 'settled' | 'lost';

type Of<Verdict extends Settlement['verdict']> = Extract<Settlement, { readonly verdict: Verdict }>;

/** Settles for one member. A token that is not held any more is 'lost'. */
export class Settlements {
  readonly #scope: Scope;
  readonly #held: Held;
  readonly #signal: AbortSignal;

  constructor(scope: Scope, held: Held, signal: AbortSignal) {
    this.#scope = scope;
    this.#held = held;
    this.#signal = signal;
  }

  async settle(batch: readonly Settlement[]): Promise<readonly Settled[]> {
    const open = new Map<Lease, Settlement>();
    for (const settlement of batch) {
      const { token } = settlement;
      if (!this.isHeld(token)) continue;
      token.over = true;
      open.set(token, settlement);
    }
    const settled = new Set<unknown>();
    const of = <Verdict extends Settlement['verdict']>(
      ...verdicts: Verdict[]
    ): [Lease, Of<Verdict>][] =>
      [...open].filter(([, { verdict }]) => (verdicts as string[]).includes(verdict)) as [
        Lease,
        Of<Verdict>,
      ][];
    const told = (leases: Iterable<Lease>): void => {
      for (const lease of leases) settled.add(lease);
    };
    try {
      const done = of('done').map(([lease]) => lease);
      const ends = await Promise.allSettled([
        this.#finish(done).then(told),
        this.#bury(of('dead')).then(told),
        this.#giveBack(of('again', 'back')).then(told),
      ]);
      for (const end of ends) if (end.status === 'rejected') throw end.reason;
    } finally {
      this.#held.drop(open.keys());
    }
    return batch.map(({ token }) => (settled.has(token) ? 'settled' : 'lost'));
  }

  async note(token: unknown, state: string): Promise<'kept' | 'lost'> {
    if (!this.isHeld(token)) return 'lost';
    return noteOn(this.#scope, token, state, false, this.#signal);
  }

  /** Given back without having been handed out: nobody can have died of them. */
  async giveBackUnseen(leases: readonly Lease[]): Promise<void> {
    for (const lease of leases) lease.over = true;
    await giveBackUnseen(this.#scope, leases, this.#signal);
  }

  /** Given back as they are: they may have been handled. */
  async giveUp(leases: readonly Lease[]): Promise<void> {
    for (const lease of leases) lease.over = true;
    await hideMessages(this.#scope, leases, () => 0, this.#signal);
  }

  isHeld(token: unknown): token is Lease {
    return token instanceof Lease && !token.over && !token.expired && this.#held.has(token);
  }

  async #finish(leases: readonly Lease[]): Promise<Iterable<Lease>> {
    if (leases.length === 0) return leases;
    const deleted = await deleteMessages(this.#scope, leases, this.#signal);
    const noted = [...deleted].filter(({ noteTag }) => noteTag !== undefined);
    await inParallel(noted, width, async ({ messageId }) => {
      // what stays is never read again, and removed with the subscription
      await removeNote(this.#scope, messageId, this.#signal).catch(() => undefined);
    });
    return deleted;
  }

  /** Durable there before it is removed here. */
  async #bury(entries: readonly [Lease, Of<'dead'>][]): Promise<Iterable<Lease>> {
    const written = await inParallel(entries, width, async ([lease, { state }]) => {
      const { key, headers, body, queue: partition } = lease;
      const objectKey = deadKey(this.#scope, lease);
      const letter = { key, headers, body, state, partition };
      const put = await writeDeadLetter(this.#scope, objectKey, letter, undefined, this.#signal);
      return { lease, objectKey, etag: put === 'conflict' ? '' : put.etag };
    });
    const deleted = new Set(await this.#finish(entries.map(([lease]) => lease)));
    // whoever holds the message now has the say
    const lost = written.filter(({ lease }) => !deleted.has(lease));
    await inParallel(lost, width, (each) => removeDeadLetter(this.#scope, each, this.#signal));
    return deleted;
  }

  async #giveBack(entries: readonly [Lease, Of<'again' | 'back'>][]): Promise<Iterable<Lease>> {
    if (entries.length === 0) return [];
    const noted = await inParallel(entries, width, ([lease, { state }]) =>
      noteOn(this.#scope, lease, state, true, this.#signal),
    );
    const kept = entries.filter((_, at) => noted[at] === 'kept');
    const seconds = new Map(kept.map(([lease, how]) => [lease, secondsOf(lease, how)]));
    this.#held.drop(seconds.keys());
    // an extension that is under way would hide them for longer
    await this.#held.quiet();
    return hideMessages(
      this.#scope,
      [...seconds.keys()],
      (lease) => seconds.get(lease) ?? 0,
      this.#signal,
    );
  }
}

export async function giveBackUnseen(
  scope: Scope,
  leases: readonly Lease[],
  signal: AbortSignal,
): Promise<void> {
  // without a new note those that looked as if somebody had died of them still do
  const fresh = leases.filter(({ redelivered }) => !redelivered);
  await inParallel(fresh, width, (lease) => noteOn(scope, lease, lease.state, true, signal));
  await hideMessages(scope, leases, () => 0, signal);
}

function secondsOf(lease: Lease, settlement: Of<'again' | 'back'>): number {
  if (settlement.verdict === 'back') return 0;
  const left = hideableMs(lease, performance.now());
  return Math.max(0, Math.min(Math.ceil(settlement.delayMs / 1_000), Math.floor(left / 1_000)));
}
