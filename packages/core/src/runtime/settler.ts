import type { QueueMember, Settlement } from '../driver.ts';
import type { Timers } from '../internal/timers.ts';

interface Pending {
  readonly settlement: Settlement;
  readonly told: ((settled: boolean) => void) | undefined;
}

/** Nothing has come for so long: short for who waits, long enough for a batch to come together. */
const idleMs = 4;

/** Settles in batches: when there are enough, when nothing else is to do, or after an interval. */
export class Settler {
  readonly #member: QueueMember;
  readonly #timers: Timers;
  readonly #intervalMs: number;
  readonly #size: number;
  readonly #failed: (error: unknown) => void;
  #pending: Pending[] = [];
  #flushing = new Set<Promise<void>>();
  #cancel: (() => void) | undefined;
  #hurried = false;
  /** Counts what was added. */
  #added = 0;
  settled = 0;

  constructor(
    member: QueueMember,
    timers: Timers,
    options: { readonly intervalMs: number; readonly size: number },
    failed: (error: unknown) => void,
  ) {
    this.#member = member;
    this.#timers = timers;
    this.#intervalMs = options.intervalMs;
    this.#size = options.size;
    this.#failed = failed;
  }

  /** `told` hears whether it was settled, or the lease was lost. */
  add(settlement: Settlement, told?: (settled: boolean) => void): void {
    this.#added += 1;
    this.#pending.push({ settlement, told });
    if (this.#pending.length >= this.#size) this.flush();
    else this.#cancel ??= this.#timers.after(this.#intervalMs, () => this.flush());
  }

  /** As `add`, and at once: a retry or a dead letter has somebody waiting. */
  now(settlement: Settlement): Promise<boolean> {
    return new Promise((resolve) => {
      this.add(settlement, resolve);
      queueMicrotask(() => this.flush());
    });
  }

  /** Nothing else is to do: what is handled is settled as soon as no more comes. Under load that is never, and a batch
   *  is not cut short. */
  soon(): void {
    if (this.#pending.length === 0 || this.#hurried) return;
    this.#hurried = true;
    const added = this.#added;
    this.#timers.after(Math.min(idleMs, this.#intervalMs), () => {
      this.#hurried = false;
      if (this.#added === added) this.flush();
      else this.soon();
    });
  }

  flush(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    if (this.#pending.length === 0) return;
    const batch = this.#pending;
    this.#pending = [];
    const flushing = this.#settle(batch).finally(() => this.#flushing.delete(flushing));
    this.#flushing.add(flushing);
  }

  /** Settles what there is and waits for all of it. */
  async end(): Promise<void> {
    this.flush();
    while (this.#flushing.size > 0) await Promise.all(this.#flushing);
  }

  async #settle(batch: readonly Pending[]): Promise<void> {
    let results: readonly ('settled' | 'lost')[];
    try {
      results = await this.#member.settle(batch.map(({ settlement }) => settlement));
    } catch (error) {
      // What became of the documents is not known: whoever is told ends the member, so that the broker hands them out again.
      this.#failed(error);
      results = batch.map(() => 'lost');
    }
    batch.forEach(({ told }, at) => {
      const settled = results[at] === 'settled';
      if (settled) this.settled += 1;
      told?.(settled);
    });
  }
}
