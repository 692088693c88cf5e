import type { LogMember, PointerWrite } from '../driver.ts';
import { BusError } from '../errors.ts';
import type { Timers } from '../internal/timers.ts';
import { delayOf, reconnectBackoff } from './backoff.ts';
import type { LogPartition } from './log-partition.ts';

interface Waiter {
  readonly partition: LogPartition;
  readonly told: (written: boolean) => void;
}

/** Writes the pointers of one member: one request at a time, every interval or when somebody waits for it. */
export class Committer {
  readonly #member: LogMember;
  readonly #timers: Timers;
  readonly #intervalMs: number;
  readonly #partitions: () => Iterable<LogPartition>;
  readonly #fenced: (partition: LogPartition) => void;
  readonly #failed: (error: unknown) => void;
  #waiters: Waiter[] = [];
  #writing: Promise<void> | undefined;
  #cancel: (() => void) | undefined;
  #over = false;

  constructor(
    member: LogMember,
    timers: Timers,
    intervalMs: number,
    hooks: {
      partitions(): Iterable<LogPartition>;
      fenced(partition: LogPartition): void;
      failed(error: unknown): void;
    },
  ) {
    this.#member = member;
    this.#timers = timers;
    this.#intervalMs = intervalMs;
    this.#partitions = () => hooks.partitions();
    this.#fenced = (partition) => hooks.fenced(partition);
    this.#failed = (error) => hooks.failed(error);
  }

  /** Something has been handled: to be written within the interval. */
  changed(partition: LogPartition): void {
    if (this.#over) return;
    if (partition.overdue) this.soon();
    else this.#cancel ??= this.#timers.after(this.#intervalMs, () => this.soon());
  }

  /** Begins to write what has changed, unless a write is under way: that one is followed by another. */
  soon(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#writing ??= this.#write().finally(() => (this.#writing = undefined));
  }

  /** Resolves to true when what the partition is now has been written, to false when it is no longer owned. */
  now(partition: LogPartition): Promise<boolean> {
    if (this.#over || !partition.lease.alive) return Promise.resolve(false);
    return new Promise((told) => {
      this.#waiters.push({ partition, told });
      queueMicrotask(() => this.soon());
    });
  }

  /** The last write of partitions that are given up. They must be owned still. */
  async last(partitions: readonly LogPartition[], clean: boolean): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
    if (this.#over || partitions.length === 0) return;
    try {
      await this.#commit(partitions, clean);
    } catch (error) {
      // Not written: what was handled since the last write is repeated, as after a crash.
      this.#failed(error);
    }
  }

  /** Writes nothing more. */
  end(): void {
    this.#over = true;
    this.#cancel?.();
    for (const { told } of this.#waiters.splice(0)) told(false);
  }

  async #write(): Promise<void> {
    for (let attempt = 0; !this.#over; ) {
      const waiters = this.#waiters.splice(0);
      const wanted = new Set(waiters.map(({ partition }) => partition));
      const due = [...this.#partitions()].filter(
        (partition) => partition.lease.alive && (partition.dirty || wanted.has(partition)),
      );
      if (due.length > 0) {
        try {
          await this.#commit(due, false);
          attempt = 0;
        } catch (error) {
          this.#failed(error);
          this.#waiters.unshift(...waiters);
          if (!BusError.is(error) || !error.retryable) return this.end();
          attempt += 1;
          await this.#timers.sleep(delayOf(reconnectBackoff, attempt));
          continue;
        }
      }
      for (const { partition, told } of waiters) told(partition.lease.alive);
      if (this.#waiters.length === 0) return;
    }
  }

  async #commit(partitions: readonly LogPartition[], clean: boolean): Promise<void> {
    const snapshots = partitions.map((partition) => partition.snapshot(clean));
    const writes: PointerWrite[] = partitions.map(({ partition, token }, at) => ({
      partition,
      token,
      pointer: (snapshots[at] as (typeof snapshots)[number]).pointer,
    }));
    const results = await this.#member.commit(writes);
    partitions.forEach((partition, at) => {
      if (results[at] === 'ok') snapshots[at]?.written();
      else this.#fenced(partition);
    });
  }
}
