import { Deque } from './deque.ts';

/** Lets so many at a time go on; the others wait, first come, first served. */
export class Turns {
  readonly #most: number;
  readonly #waiting = new Deque<() => void>();
  #taken = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** How many wait for their turn. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Runs `work` when its turn has come. Rejects with the signal's reason if it is aborted before. */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.#enter(signal);
    try {
      return await work();
    } finally {
      this.#leave();
    }
  }

  #enter(signal: AbortSignal | undefined): Promise<void> | undefined {
    signal?.throwIfAborted();
    if (this.#taken < this.#most) {
      this.#taken += 1;
      return undefined;
    }
    return new Promise((resolve, reject) => {
      const abort = (): void => {
        this.#waiting.take((other) => other === enter);
        reject(signal?.reason as Error);
      };
      const enter = (): void => {
        signal?.removeEventListener('abort', abort);
        resolve();
      };
      signal?.addEventListener('abort', abort, { once: true });
      this.#waiting.push(enter);
    });
  }

  /** The next one takes over the turn. */
  #leave(): void {
    const enter = this.#waiting.shift();
    if (enter === undefined) this.#taken -= 1;
    else enter();
  }
}
