import { BusError, Deque } from '@duobus/core/driver';

interface Waiting {
  readonly enter: () => void;
  readonly refuse: (error: unknown) => void;
}

/** One at a time, first come, first served. */
export class Line {
  readonly #most: number;
  readonly #waiting = new Deque<Waiting>();
  #busy = false;
  #closed: BusError | undefined;

  constructor(most: number) {
    this.#most = most;
  }

  /** The signal ends the waiting, not the work. */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.#enter(signal);
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#busy = false;
      else next.enter();
    }
  }

  /** The last to have a turn: who waits is refused, and who comes later. */
  close(error: BusError, work: () => Promise<void>): Promise<void> {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift())
      next.refuse(error);
    const closed = this.run(work);
    this.#closed = error;
    return closed;
  }

  async #enter(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (this.#closed !== undefined) throw this.#closed;
    if (!this.#busy) {
      this.#busy = true;
      return;
    }
    if (this.#waiting.size >= this.#most)
      throw new BusError(
        'DUOBUS_UNAVAILABLE',
        `sqliteInbox: ${this.#most} transactions wait already (maxWaiting): lower the concurrency of the subscriptions`,
        { retryable: true, context: { maxWaiting: this.#most } },
      );
    await new Promise<void>((resolve, reject) => {
      const end = (then: () => void): void => {
        signal?.removeEventListener('abort', abort);
        then();
      };
      const waiting: Waiting = {
        enter: () => end(resolve),
        refuse: (error) => end(() => reject(error)),
      };
      const abort = (): void => {
        this.#waiting.take((other) => other === waiting);
        reject(signal?.reason as Error);
      };
      signal?.addEventListener('abort', abort, { once: true });
      this.#waiting.push(waiting);
    });
  }
}
