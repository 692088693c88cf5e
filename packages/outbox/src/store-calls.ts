import { BusError } from '@duobus/core';

/** Calls of the store that do not wait for ever: a database can be silent without its connection breaking. */
export class StoreCalls {
  readonly #timeoutMs: number;
  readonly #over: AbortSignal;

  /** @param over aborted when nobody waits for the store any longer */
  constructor(timeoutMs: number, over: AbortSignal) {
    this.#timeoutMs = timeoutMs;
    this.#over = over;
  }

  /** As the call, or an error when it takes too long. What it does afterwards must do no harm (see OutboxStore). */
  ask<T>(call: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#over.throwIfAborted();
      const late = setTimeout(() => reject(this.#late()), Math.min(this.#timeoutMs, 2 ** 31 - 1));
      const abort = (): void => reject(this.#over.reason as Error);
      this.#over.addEventListener('abort', abort, { once: true });
      const called = (async () => call())(); // it may throw, too
      called.then(resolve, reject).finally(() => {
        clearTimeout(late);
        this.#over.removeEventListener('abort', abort);
      });
    });
  }

  #late(): BusError {
    return new BusError(
      'DUOBUS_TIMEOUT',
      `outbox: the database has not answered for ${this.#timeoutMs} ms`,
      { retryable: true },
    );
  }
}
