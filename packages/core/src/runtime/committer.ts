import type { LogMember, PointerWrite } from '../driver.ts';
import { BusError } from '../errors.ts';
import type { Timers } from '../internal/timers.ts';
import { delayOf, reconnectBackoff } from './backoff.ts';
import type { LogPartition } from './log-partition.ts';
import { within } from './within.ts';

interface Waiter {
  readonly partition: LogPartition;
  readonly told: (written: boolean) => void;
}

/** Writes the pointers of one member: one request at a time, every interval or when somebody waits for it. */
export class Committer {
  readonly #member: LogMember;
  readonly #timers: Timers;
  readonly #intervalMs: number;
  readonly #hooks: {
    partitions(): Iterable<LogPartition>;
    fenced(partition: LogPartition): void;
    failed(error: unknown): void;
    written(documents: number): void;
  };
  /** Aborted when a write that failed is not to be repeated. */
  readonly #patience = new AbortController();
  #waiters: Waiter[] = [];
  #writing: Promise<void> | undefined;
  /** The newest try of the write that is repeated when it fails. */
  #attempt: Promise<void> | undefined;
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
      written(documents: number): void;
    },
  ) {
    this.#member = member;
    this.#timers = timers;
    this.#intervalMs = intervalMs;
    this.#hooks = hooks;
  }

  /** Something has been handled: to be written within the interval. */
  changed(partition: LogPartition): void {
    if (this.#over || this.#writing !== undefined) return;
    if (partition.overdue) this.soon();
    else this.#arm();
  }

  /** Begins to write what has changed. What changes during a write is seen to when that has ended. */
  soon(): void {
    if (this.#over || this.#writing !== undefined) return;
    this.#disarm();
    void this.#begin(() => this.#write());
  }

  /** Resolves to true when what the partition is now has been written, to false when it is no longer owned. */
  now(partition: LogPartition): Promise<boolean> {
    if (this.#over || !partition.lease.alive) return Promise.resolve(false);
    return new Promise((told) => {
      this.#waiters.push({ partition, told });
      queueMicrotask(() => this.soon());
    });
  }

  /** The first write of partitions that have just been assigned: rejects when it is not known whether they are ours.
   *  Rejects also when a write before it fails: to wait for its repetition would keep the caller from hearing that the
   *  member is over, and only that ends the repetition. */
  async first(partitions: readonly LogPartition[]): Promise<void> {
    while (this.#writing !== undefined) await (this.#attempt ?? this.#writing);
    const owned = partitions.filter(({ lease }) => lease.alive);
    if (!this.#over && owned.length > 0) await this.#begin(() => this.#commit(owned, false));
  }

  /** The last write of partitions that are given up, for at most `ms`. They must be owned still. */
  async last(partitions: readonly LogPartition[], ms: number): Promise<void> {
    const until = this.#timers.now() + ms;
    while (this.#writing !== undefined) {
      // Not written: what was handled since the last write is repeated, as after a crash.
      if (!(await within(this.#timers, until - this.#timers.now(), this.#writing))) return;
    }
    const owned = partitions.filter(({ lease }) => lease.alive);
    if (this.#over || owned.length === 0) return;
    const writing = this.#begin(async () => {
      try {
        await this.#commit(owned, true);
      } catch (error) {
        this.#hooks.failed(error);
      }
    });
    await within(this.#timers, until - this.#timers.now(), writing);
  }

  /** The member is about to end: a write that fails is not repeated. */
  hurry(): void {
    this.#patience.abort();
  }

  /** Writes nothing more. */
  end(): void {
    this.#over = true;
    this.#disarm();
    this.hurry();
    this.#giveUpOn(this.#waiters.splice(0));
  }

  #arm(): void {
    this.#cancel ??= this.#timers.after(this.#intervalMs, () => {
      this.#cancel = undefined;
      this.soon();
    });
  }

  #disarm(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #begin(write: () => Promise<void>): Promise<void> {
    const writing = write().finally(() => {
      this.#writing = undefined;
      this.#attempt = undefined;
      this.#goOn();
    });
    this.#writing = writing;
    return writing;
  }

  #goOn(): void {
    if (this.#over) this.#giveUpOn(this.#waiters.splice(0));
    else if (this.#waiters.length > 0) this.soon();
    else
      for (const partition of this.#hooks.partitions())
        if (partition.dirty) this.changed(partition);
  }

  #giveUpOn(waiters: readonly Waiter[]): void {
    for (const { told } of waiters) told(false);
  }

  async #write(): Promise<void> {
    const waiters = this.#waiters.splice(0);
    for (let attempt = 1; !this.#over; attempt += 1) {
      const wanted = new Set(waiters.map(({ partition }) => partition));
      const due = [...this.#hooks.partitions()].filter(
        (partition) => partition.lease.alive && (partition.dirty || wanted.has(partition)),
      );
      try {
        this.#attempt = due.length > 0 ? this.#commit(due, false) : Promise.resolve();
        await this.#attempt;
        for (const { partition, told } of waiters) told(!this.#over && partition.lease.alive);
        return;
      } catch (error) {
        this.#hooks.failed(error);
        if (!BusError.is(error) || !error.retryable) this.end();
        if (this.#patience.signal.aborted) break;
        await this.#timers
          .sleep(delayOf(reconnectBackoff, attempt), this.#patience.signal)
          .catch(() => undefined); // hurried: the loop goes on at once
      }
    }
    this.#giveUpOn(waiters);
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
      if (results[at] === 'ok') this.#hooks.written(snapshots[at]?.written() ?? 0);
      else this.#hooks.fenced(partition);
    });
  }
}
