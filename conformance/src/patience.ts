/**
 * How much longer something is waited for. Time in which this process was busy counts a third: what is waited for may
 * be in its own queue, behind the work of other cases.
 */
export class Patience {
  readonly #limitMs: number;
  readonly #since = performance.now();
  readonly #idle = performance.eventLoopUtilization().idle;

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  get leftMs(): number {
    const idle = performance.eventLoopUtilization().idle - this.#idle;
    return this.#limitMs - Math.max(idle, (performance.now() - this.#since) / 3);
  }
}
