import type { Timers } from '../internal/timers.ts';
import type { Item, Part } from './item.ts';

interface Waiter {
  readonly part: Part | undefined;
  readonly settle: (drained: boolean) => void;
}

/** Waits until nothing of a partition, or nothing at all, is running. */
export class Drains {
  readonly #running: ReadonlySet<Item>;
  readonly #waiters = new Set<Waiter>();

  constructor(running: ReadonlySet<Item>) {
    this.#running = running;
  }

  /** Resolves to true when drained, to false after `ms`. */
  wait(part: Part | undefined, ms: number, timers: Timers): Promise<boolean> {
    if (this.#isDrained(part)) return Promise.resolve(true);
    return new Promise((resolve) => {
      const cancel = timers.after(ms, () => waiter.settle(false));
      const waiter: Waiter = {
        part,
        settle: (drained) => {
          cancel();
          this.#waiters.delete(waiter);
          resolve(drained);
        },
      };
      this.#waiters.add(waiter);
    });
  }

  /** To be called whenever something has stopped running. */
  check(): void {
    if (this.#waiters.size === 0) return;
    for (const waiter of this.#waiters) if (this.#isDrained(waiter.part)) waiter.settle(true);
  }

  /** Nobody waits any longer. */
  end(): void {
    for (const waiter of this.#waiters) waiter.settle(false);
  }

  #isDrained(part: Part | undefined): boolean {
    if (part === undefined) return this.#running.size === 0;
    for (const item of this.#running) if (item.part === part) return false;
    return true;
  }
}
