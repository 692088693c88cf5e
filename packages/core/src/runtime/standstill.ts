import type { Timers } from '../internal/timers.ts';

/**
 * Notices that this process stood still: it was stopped, its machine slept, or its code did not return. Others may have
 * taken over meanwhile, and what tells it so has not been read yet.
 */
export class Standstill {
  readonly #timers: Timers;
  readonly #limitMs: number;
  readonly #stoodStill: () => void;
  #seenAt: number;
  #cancel: () => void;

  /** `stoodStill` is called after every standstill of more than `limitMs`, before `check` returns. */
  constructor(timers: Timers, limitMs: number, stoodStill: () => void) {
    this.#timers = timers;
    this.#limitMs = limitMs;
    this.#stoodStill = stoodStill;
    this.#seenAt = timers.now();
    this.#cancel = this.#tick();
  }

  /** To be called before anything is handed out. */
  check(): void {
    const now = this.#timers.now();
    const stood = now - this.#seenAt > this.#limitMs;
    this.#seenAt = now;
    if (stood) this.#stoodStill();
  }

  end(): void {
    this.#cancel();
  }

  /** Without it a process that has nothing to do could not be told from one that stands. */
  #tick(): () => void {
    return this.#timers.after(this.#limitMs / 4, () => {
      this.#cancel = this.#tick();
      this.check();
    });
  }
}
