import { BusError } from '@duobus/core/driver';
import { depthOn } from './inbox-frames.ts';
import { storeError } from './inbox-errors.ts';
import type { InboxSettings } from './inbox-options.ts';
import { Places } from './inbox-places.ts';
import type { PgClient, PgPool } from './pool.ts';

/** A connection while it is held. */
export class Held<Client extends PgClient> {
  readonly client: Client;
  /** It goes back to the pool only if nothing is unclear about it. */
  sound = true;

  constructor(client: Client) {
    this.client = client;
  }
}

/** Takes connections of a pool, and gives them back. */
export class Connections<Client extends PgClient> {
  readonly #pool: PgPool<Client>;
  readonly #places: Places;
  readonly #settings: Pick<InboxSettings, 'connectTimeoutMs' | 'table'>;

  constructor(pool: PgPool<Client>, settings: Pick<InboxSettings, 'connectTimeoutMs' | 'table'>) {
    this.#pool = pool;
    this.#places = Places.of(pool);
    this.#settings = settings;
  }

  /** `work` with a connection of its own. The signal ends the waiting for one, not the work. */
  async use<T>(
    work: (held: Held<Client>) => Promise<T>,
    signal?: AbortSignal,
    depth: number = depthOn(this.#pool),
  ): Promise<T> {
    await this.#places.enter(depth, signal);
    try {
      return await this.#withClient(await this.#connect(signal), work);
    } finally {
      this.#places.leave();
    }
  }

  async #withClient<T>(client: Client, work: (held: Held<Client>) => Promise<T>): Promise<T> {
    const held = new Held(client);
    // the pool listens only while nobody has the connection, and an error without a listener ends the process
    const onError = (): void => void (held.sound = false);
    client.on('error', onError);
    try {
      return await work(held);
    } finally {
      client.removeListener('error', onError);
      client.release(!held.sound);
    }
  }

  async #connect(signal: AbortSignal | undefined): Promise<Client> {
    const { connectTimeoutMs, table } = this.#settings;
    if (this.#pool.ended === true)
      throw new BusError('DUOBUS_CLOSED', 'postgresInbox: its pool has been ended');
    try {
      return await connectWithin(this.#pool, connectTimeoutMs, signal);
    } catch (error) {
      if (signal?.aborted === true) throw signal.reason;
      throw storeError(error, { doing: 'connect', table });
    }
  }
}

/** A client may come after all when nobody waits for it any more: then it goes straight back. */
function connectWithin<Client extends PgClient>(
  pool: PgPool<Client>,
  ms: number,
  signal: AbortSignal | undefined,
): Promise<Client> {
  return new Promise((resolve, reject) => {
    let over = false;
    const end = (then: () => void): void => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
      then();
    };
    const abort = (): void => end(() => reject(signal?.reason as Error));
    const timer = setTimeout(
      () =>
        end(() =>
          reject(
            new BusError(
              'DUOBUS_UNAVAILABLE',
              `postgresInbox: no connection of the pool within ${ms} ms (connectTimeoutMs): the database does not answer, or the connections are held elsewhere: raise max of the pool`,
              { retryable: true, context: { connectTimeoutMs: ms, max: pool.options?.max } },
            ),
          ),
        ),
      ms,
    );
    signal?.addEventListener('abort', abort, { once: true });
    pool.connect().then(
      (client) => {
        if (over) client.release();
        else end(() => resolve(client));
      },
      (error: unknown) => end(() => reject(error)),
    );
  });
}
