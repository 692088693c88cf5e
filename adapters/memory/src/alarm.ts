import type { Clock } from '@duobus/core/driver';

/** One timer for the earliest of many times: set it as often as you like, it fires at the last time it was set to. */
export class Alarm {
  readonly #clock: Clock;
  readonly #ring: () => void;
  #cancel: (() => void) | undefined;
  #at: number | undefined;

  constructor(clock: Clock, ring: () => void) {
    this.#clock = clock;
    this.#ring = ring;
  }

  /** `undefined` switches it off. */
  set(at: number | undefined): void {
    if (at === this.#at) return;
    this.#cancel?.();
    this.#cancel = undefined;
    this.#at = at;
    if (at === undefined) return;
    this.#cancel = this.#clock.after(Math.max(at - this.#clock.now(), 0), () => {
      this.#at = undefined;
      this.#cancel = undefined;
      this.#ring();
    });
  }
}
