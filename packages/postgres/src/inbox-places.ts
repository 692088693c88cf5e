import { BusError, Deque } from '@duobus/core/driver';

const mostWaiting = 10_000;

interface Waiting {
  readonly enter: () => void;
}

/**
 * Who may hold a connection of a pool. A transaction that runs inside of another needs a second connection while the
 * first is held: the outermost leave one of them free, so that they cannot wait for each other for ever. All inboxes over
 * one pool share its places.
 */
export class Places {
  static readonly #ofPools = new WeakMap<object, Places>();
  readonly #most: () => number;
  readonly #nested = new Deque<Waiting>();
  readonly #outermost = new Deque<Waiting>();
  #taken = 0;

  constructor(most: () => number) {
    this.#most = most;
  }

  static of(pool: { readonly options?: { readonly max?: number | undefined } }): Places {
    const known = Places.#ofPools.get(pool);
    if (known !== undefined) return known;
    const made = new Places(() => pool.options?.max ?? 10);
    Places.#ofPools.set(pool, made);
    return made;
  }

  /** Resolves when there is a place, which has to be left. `depth`: transactions around this one.
   *  @throws BusError DUOBUS_REJECTED at once where waiting could be for ever */
  async enter(depth: number, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    const line = depth === 0 ? this.#outermost : this.#nested;
    if (this.#isFree(depth)) {
      this.#taken += 1;
      return;
    }
    if (depth >= this.#most() || depth > 1) throw tooSmall(depth, this.#most());
    if (line.size >= mostWaiting)
      throw new BusError(
        'DUOBUS_UNAVAILABLE',
        `postgresInbox: ${mostWaiting.toLocaleString('en-US')} transactions wait for a connection already: raise max of the pool, or lower the concurrency of the subscriptions`,
        { retryable: true },
      );
    await new Promise<void>((resolve, reject) => {
      const waiting: Waiting = {
        enter: () => {
          signal?.removeEventListener('abort', abort);
          resolve();
        },
      };
      const abort = (): void => {
        line.take((other) => other === waiting);
        reject(signal?.reason as Error);
      };
      signal?.addEventListener('abort', abort, { once: true });
      line.push(waiting);
    });
  }

  leave(): void {
    this.#taken -= 1;
    for (;;) {
      const next = this.#isFree(1) ? this.#nested.shift() : undefined;
      const entering = next ?? (this.#isFree(0) ? this.#outermost.shift() : undefined);
      if (entering === undefined) return;
      this.#taken += 1;
      entering.enter();
    }
  }

  #isFree(depth: number): boolean {
    const most = this.#most();
    return this.#taken < (depth === 0 ? Math.max(1, most - 1) : most);
  }
}

function tooSmall(depth: number, most: number): BusError {
  return new BusError(
    'DUOBUS_REJECTED',
    `postgresInbox: an effect inside of ${depth === 1 ? 'another' : `${depth} others`} needs a connection of its own, and all ${most} of the pool are held, ${depth} by what is around it, which would wait for ever. Raise max of the pool to at least ${Math.max(depth + 1, most + 1)}, or guard the inner effect with a store that needs no second connection for as long as it runs`,
    { context: { max: most, depth } },
  );
}
