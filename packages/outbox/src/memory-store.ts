import type { Clock } from '@duobus/core';
import { checkOptions } from '@duobus/core/envelopes';
import {
  createSyncOutbox,
  outboxOptionNames,
  type OutboxOptions,
  type SyncOutbox,
  type SyncOutboxStore,
} from './outbox.ts';
import type {
  FailedRow,
  NewRow,
  OutboxBatch,
  OutboxLag,
  OutboxRow,
  ReadRequest,
  SetAsideReason,
  Wake,
} from './store.ts';

/** A transaction of a memory outbox: what is written into it is there after `commit`. */
export class MemoryTransaction {
  #rows: NewRow[] = [];
  readonly #commit: (rows: readonly NewRow[]) => void;

  constructor(commit: (rows: readonly NewRow[]) => void) {
    this.#commit = commit;
  }

  write(rows: readonly NewRow[]): void {
    this.#rows.push(...rows);
  }

  commit(): void {
    this.#commit(this.#rows.splice(0));
  }

  rollback(): void {
    this.#rows = [];
  }
}

export interface MemoryOutboxOptions extends OutboxOptions {
  /** Its time. Default: that of the process. */
  readonly clock?: Pick<Clock, 'now'>;
}

export interface MemoryOutbox extends SyncOutbox<MemoryTransaction> {
  /** Begins a transaction. */
  begin(): MemoryTransaction;
}

/** An outbox in memory: for unit tests of what writes into one.
 *  @example const outbox = memoryOutbox({ source: '/shop' }) */
export function memoryOutbox(options: MemoryOutboxOptions): MemoryOutbox {
  checkOptions('memoryOutbox', options, [...outboxOptionNames, 'clock']);
  const { clock = Date, ...rest } = options;
  const store = new MemoryOutboxStore(() => clock.now());
  return Object.assign(createSyncOutbox(store, rest), { begin: () => store.begin() });
}

interface Stored extends OutboxRow {
  readonly at: number;
  readonly writtenAt: number;
  failed: { readonly reason: SetAsideReason; readonly at: number } | undefined;
}

class MemoryOutboxStore implements SyncOutboxStore<MemoryTransaction> {
  readonly #now: () => number;
  readonly #wakes = new Set<Wake>();
  #rows: Stored[] = [];
  #last = 0;
  #fence = 0;
  #owner: string | undefined;
  #until = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  begin(): MemoryTransaction {
    return new MemoryTransaction((rows) => {
      for (const row of rows) {
        const at = (this.#last += 1);
        this.#rows.push({ ...row, row: String(at), at, writtenAt: this.#now(), failed: undefined });
      }
      if (rows.length > 0) this.#wake('rows');
    });
  }

  insert(tx: MemoryTransaction, rows: readonly NewRow[]): void {
    if (!(tx instanceof MemoryTransaction))
      throw new TypeError('memoryOutbox: the transaction must be one of outbox.begin()');
    tx.write(rows);
  }

  async migrate(): Promise<void> {}

  async acquire(owner: string, leaseMs: number): Promise<number | undefined> {
    if (this.#owner !== undefined && this.#owner !== owner && this.#until > this.#now())
      return undefined;
    this.#owner = owner;
    this.#until = this.#now() + leaseMs;
    return (this.#fence += 1);
  }

  async renew(fence: number, leaseMs: number): Promise<boolean> {
    if (fence !== this.#fence || this.#owner === undefined) return false;
    this.#until = this.#now() + leaseMs;
    return true;
  }

  async release(fence: number): Promise<void> {
    if (fence !== this.#fence) return;
    this.#owner = undefined;
    this.#wake('lease');
  }

  async read(_fence: number, request: ReadRequest): Promise<OutboxBatch> {
    const heldRows = new Set(request.heldRows);
    const leftOut = new Set([...request.heldLanes, ...this.#blocked()]);
    const rows: OutboxRow[] = [];
    let bytes = 0;
    for (const row of this.#rows) {
      if (row.failed !== undefined || heldRows.has(row.row)) continue;
      if (row.lane !== undefined && leftOut.has(row.lane)) continue;
      bytes += row.bytes;
      if (rows.length === request.rows || (rows.length > 0 && bytes > request.bytes))
        return { rows, more: true };
      const { at: _, writtenAt: _w, failed: _f, ...read } = row;
      rows.push(read);
    }
    return { rows, more: false };
  }

  async remove(fence: number, rows: readonly string[]): Promise<boolean> {
    if (fence !== this.#fence) return false;
    const gone = new Set(rows);
    this.#rows = this.#rows.filter(({ row }) => !gone.has(row));
    return true;
  }

  async setAside(fence: number, row: string, reason: SetAsideReason): Promise<boolean> {
    if (fence !== this.#fence) return false;
    const found = this.#rows.find((one) => one.row === row);
    if (found !== undefined) found.failed = { reason, at: this.#now() };
    return true;
  }

  async lag(): Promise<OutboxLag> {
    const waiting = this.#rows.filter(({ failed }) => failed === undefined);
    const blocked = this.#blocked();
    const [oldest] = waiting;
    return {
      rows: waiting.length,
      ms: oldest === undefined ? 0 : Math.max(0, this.#now() - oldest.writtenAt),
      behind: waiting.filter(({ lane }) => lane !== undefined && blocked.has(lane)).length,
      setAside: this.#rows.length - waiting.length,
    };
  }

  async failed(after: string | undefined, limit: number): Promise<readonly FailedRow[]> {
    return this.#rows
      .flatMap(({ failed, at, id, bus, topic, attributes, data, row }) =>
        failed === undefined || at <= Number(after ?? 0)
          ? []
          : [{ id, bus, topic, attributes, data, reason: failed.reason, failedAt: failed.at, row }],
      )
      .slice(0, limit);
  }

  async settle(id: string, verdict: 'retry' | 'discard'): Promise<number> {
    const found = this.#rows.filter((one) => one.id === id && one.failed !== undefined);
    if (verdict === 'discard') this.#rows = this.#rows.filter((one) => !found.includes(one));
    for (const one of found) one.failed = undefined;
    if (found.length > 0) this.#wake('rows');
    return found.length;
  }

  listen(wake: Wake, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      this.#wakes.add(wake);
      const end = (): void => {
        this.#wakes.delete(wake);
        resolve();
      };
      if (signal.aborted) end();
      else signal.addEventListener('abort', end, { once: true });
      wake('rows');
    });
  }

  #blocked(): ReadonlySet<string> {
    return new Set(
      this.#rows.flatMap(({ failed, lane }) =>
        failed === undefined || lane === undefined ? [] : [lane],
      ),
    );
  }

  #wake(what: 'rows' | 'lease'): void {
    for (const wake of this.#wakes) wake(what);
  }
}
