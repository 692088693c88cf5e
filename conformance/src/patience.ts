import { type Clock, systemClock } from '@duobus/core/driver';

/**
 * How much longer something is waited for. Time in which this process was busy counts a third: what is waited for may
 * be in its own queue, behind the work of other cases. A clock of a test's own goes by as it says.
 */
export class Patience {
  readonly #limitMs: number;
  readonly #clock: Clock;
  readonly #since: number;
  readonly #idle = performance.eventLoopUtilization().idle;

  constructor(limitMs: number, clock: Clock = systemClock) {
    this.#limitMs = limitMs;
    this.#clock = clock;
    this.#since = this.#now;
  }

  get leftMs(): number {
    const passed = this.#now - this.#since;
    if (this.#clock !== systemClock) return this.#limitMs - passed;
    const idle = performance.eventLoopUtilization().idle - this.#idle;
    return this.#limitMs - Math.max(idle, passed / 3);
  }

  get #now(): number {
    return this.#clock === systemClock ? performance.now() : this.#clock.now();
  }
}
