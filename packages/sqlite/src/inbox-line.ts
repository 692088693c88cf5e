import { anyOf, BusError, Turns } from '@duobus/core/driver';

/** One at a time, first come, first served. */
export class Line {
  readonly #most: number;
  readonly #turns = new Turns(1);
  readonly #closing = new AbortController();

  constructor(most: number) {
    this.#most = most;
  }

  /** The signal ends the waiting, not the work. */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    this.#closing.signal.throwIfAborted();
    if (this.#turns.waiting >= this.#most)
      throw new BusError(
        'DUOBUS_UNAVAILABLE',
        `sqliteInbox: ${this.#most} transactions wait already (maxWaiting): lower the concurrency of the subscriptions`,
        { retryable: true, context: { maxWaiting: this.#most } },
      );
    return this.#turns.run(work, anyOf(this.#closing.signal, signal));
  }

  /** The last to have a turn: who waits is refused, and who comes later. */
  close(error: BusError, work: () => Promise<void>): Promise<void> {
    this.#closing.abort(error);
    return this.#turns.run(work);
  }
}
