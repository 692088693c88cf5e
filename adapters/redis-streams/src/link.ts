import { abortable } from '@duobus/core/driver';
import { Cluster, Redis } from 'ioredis';
import { type Client, makeClient, type Purpose } from './client.ts';
import { classify, refusesLogin } from './native-errors.ts';
import type { Settings } from './options.ts';

/** One client for as long as it is connected. It is never mended: the driver's `open` makes another. */
export class Link {
  readonly client: Client;
  /** Another client may be let in where this one is refused: functions are asked for its login. */
  readonly #renews: boolean;
  #alive = false;
  #ended = false;
  #reason: Error | undefined;
  #pings: NodeJS.Timeout | undefined;
  #probing = false;

  /** `ended` is called once, and only after `open` has resolved. */
  static async open(
    settings: Settings,
    purpose: Purpose,
    ended: () => void,
    signal: AbortSignal,
  ): Promise<Link> {
    return settings.secrets.use(async (login) => {
      signal.throwIfAborted();
      const link = new Link(makeClient(settings, login, purpose), settings.secrets.asks, ended);
      try {
        await abortable(link.#connect(settings.database), signal);
        link.#alive = true;
        link.#watch(settings.silenceMs);
        return link;
      } catch (error) {
        link.end();
        if (signal.aborted && error === signal.reason) throw error;
        // what `connect` rejects with says only that the connection was closed
        throw classify(link.#reason ?? error, `connect to ${settings.where}`);
      }
    }, signal);
  }

  private constructor(client: Client, renews: boolean, ended: () => void) {
    this.client = client;
    this.#renews = renews;
    // without a listener ioredis writes to the console
    this.client.on('error', (error: Error) => (this.#reason = rootOf(error)));
    // a cluster's client connects to its nodes anew by itself, and knows only the login it was made with
    this.client.on('node error', (error: Error) => {
      if (renews && refusesLogin(error)) this.#refused(error);
    });
    this.client.on('end', () => {
      clearInterval(this.#pings);
      if (!this.#alive) return;
      this.#alive = false;
      ended();
    });
  }

  get alive(): boolean {
    return this.#alive && this.client.status === 'ready';
  }

  /** What the socket said last. */
  get reason(): Error | undefined {
    return this.#reason;
  }

  /** Some node of a cluster may have been replaced by another. */
  async refresh(signal: AbortSignal): Promise<void> {
    const { client } = this;
    if (!(client instanceof Cluster)) return;
    // what cannot be learned now is asked for again
    await abortable(
      new Promise<void>((resolve) => client.refreshSlotsCache(() => resolve())),
      signal,
    );
  }

  end(): void {
    this.#alive = false;
    clearInterval(this.#pings);
    this.#disconnect();
  }

  #disconnect(): void {
    // each time it is told so ioredis listens once more to the socket
    if (!this.#ended) this.client.disconnect();
    this.#ended = true;
  }

  /** Nothing else tells that the connection for what it is subscribed to is refused. */
  #probe(client: Cluster): void {
    if (this.#probing) this.#refused(new Error('its subscriptions are not answered'));
    this.#probing = true;
    client.subscribe('duobus:alive').then(
      () => (this.#probing = false),
      (error: Error) => this.#refused(error),
    );
  }

  #refused(reason: Error): void {
    if (!this.#alive) return;
    this.#reason = reason;
    this.#disconnect();
  }

  async #connect(database: number): Promise<void> {
    await this.client.connect();
    // by itself ioredis goes on in database 0 when it is refused another
    if (database > 0 && this.client instanceof Redis) await this.client.select(database);
  }

  /** A dead peer is only noticed while it is asked something; and slots of a cluster move. */
  #watch(silenceMs: number): void {
    this.#pings = setInterval(() => {
      for (const node of nodesOf(this.client)) node.ping().catch(() => undefined); // 'end' tells
      if (!(this.client instanceof Cluster)) return;
      this.client.refreshSlotsCache();
      if (this.#renews) this.#probe(this.client);
    }, silenceMs / 2);
    this.#pings.unref();
  }
}

/** The servers that store: one, or the masters of a cluster. */
export function nodesOf(client: Client): readonly Redis[] {
  return client instanceof Cluster ? client.nodes('master') : [client];
}

/** What a cluster's client says about all its nodes together hides what the last of them said. */
function rootOf(error: Error & { readonly lastNodeError?: unknown }): Error {
  return error.lastNodeError instanceof Error ? error.lastNodeError : error;
}
