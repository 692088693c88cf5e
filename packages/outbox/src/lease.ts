import { performance } from 'node:perf_hooks';
import type { StoreCalls } from './store-calls.ts';
import type { OutboxStore } from './store.ts';

/** The right to be the active relay, as far as this process can know of it. Its own clock is used for durations alone. */
export class Lease {
  readonly #store: OutboxStore;
  readonly #calls: StoreCalls;
  readonly #leaseMs: number;
  readonly fence: number;
  /** When the call began that gave us the lease last: it may have been given then, and not later. */
  #since: number;

  private constructor(
    store: OutboxStore,
    calls: StoreCalls,
    leaseMs: number,
    fence: number,
    since: number,
  ) {
    this.#store = store;
    this.#calls = calls;
    this.#leaseMs = leaseMs;
    this.fence = fence;
    this.#since = since;
  }

  /** `undefined`: another relay has it. */
  static async take(
    store: OutboxStore,
    calls: StoreCalls,
    owner: string,
    leaseMs: number,
  ): Promise<Lease | undefined> {
    const since = performance.now();
    const fence = await calls.ask(() => store.acquire(owner, leaseMs));
    return fence === undefined ? undefined : new Lease(store, calls, leaseMs, fence, since);
  }

  /** Whether another cannot have it yet. Past that nothing new is published, which spares repetitions; that nothing is lost
   *  or overtaken rests on the fence. */
  get isSure(): boolean {
    return performance.now() - this.#since < this.#leaseMs * 0.9;
  }

  /** In ms; 0 when it is due. */
  get untilRenewal(): number {
    return Math.max(0, this.#since + this.#leaseMs / 3 - performance.now());
  }

  /** False: it is another's. */
  async renew(): Promise<boolean> {
    const since = performance.now();
    if (!(await this.#calls.ask(() => this.#store.renew(this.fence, this.#leaseMs)))) return false;
    this.#since = since;
    return true;
  }
}
