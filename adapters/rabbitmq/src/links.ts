import { abortable, BusError } from '@duobus/core/driver';
import { Connection } from './connection.ts';
import type { ConnectionPurpose, Settings } from './options.ts';
import { Publisher } from './publisher.ts';
import type { RabbitmqNative } from './native.ts';

/** The two connections of a driver and the channels it publishes on, renewed one by one as they break; and as many more
 *  as its members need. */
export class BrokerLinks {
  readonly #settings: Settings;
  readonly #connections = new Map<ConnectionPurpose, Connection>();
  #further: readonly Connection[] = [];
  #growing: Promise<Connection> | undefined;
  readonly #closing = new AbortController();
  #events: Publisher | undefined;
  #copies: Publisher | undefined;
  #closed = false;

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  /** Replaces what is broken and keeps what works. */
  async open(signal: AbortSignal): Promise<void> {
    this.#refuseClosed();
    await Promise.all([this.#connect('consume', signal), this.#openPublishing(signal)]);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#closing.abort(closedError());
    const connections = [...this.#connections.values(), ...this.#further];
    await Promise.all(connections.map((connection) => connection.close()));
  }

  consume(): Connection {
    return this.#usable(this.#connections.get('consume'));
  }

  /** For channels that stay open: a connection can have only so many. */
  async members(signal: AbortSignal): Promise<Connection> {
    const first = this.consume();
    this.#further = this.#further.filter(({ alive }) => alive);
    const roomy = [first, ...this.#further].find(({ hasRoom }) => hasRoom);
    if (roomy !== undefined) return roomy;
    this.#growing ??= this.#grow().finally(() => (this.#growing = undefined));
    return abortable(this.#growing, signal);
  }

  /** For documents to all subscriptions of a topic, be there none. */
  events(): Publisher {
    return this.#usable(this.#events);
  }

  /** For messages to one queue that must exist. */
  copies(): Publisher {
    return this.#usable(this.#copies);
  }

  get native(): RabbitmqNative {
    const of = (purpose: ConnectionPurpose) => this.#connections.get(purpose)?.native;
    return {
      get publishConnection() {
        return of('publish');
      },
      get consumeConnection() {
        return of('consume');
      },
    };
  }

  async #connect(purpose: ConnectionPurpose, signal: AbortSignal): Promise<Connection> {
    const known = this.#connections.get(purpose);
    if (known?.alive === true) return known;
    const made = await this.#make(purpose, signal);
    this.#connections.set(purpose, made);
    return made;
  }

  async #grow(): Promise<Connection> {
    const made = await this.#make('consume', this.#closing.signal);
    this.#further = [...this.#further, made];
    return made;
  }

  async #make(purpose: ConnectionPurpose, signal: AbortSignal): Promise<Connection> {
    const { connect, where } = this.#settings;
    const made = await Connection.open(() => connect(purpose, signal), where, signal);
    if (this.#closed) await made.close();
    this.#refuseClosed();
    return made;
  }

  async #openPublishing(signal: AbortSignal): Promise<void> {
    const connection = await this.#connect('publish', signal);
    // two channels: a document for a deleted exchange closes its channel, and must not take copies with it
    if (this.#events?.alive !== true)
      this.#events = await Publisher.open(connection, false, signal);
    if (this.#copies?.alive !== true) this.#copies = await Publisher.open(connection, true, signal);
  }

  #usable<Link extends { readonly alive: boolean }>(link: Link | undefined): Link {
    this.#refuseClosed();
    if (link?.alive === true) return link;
    const message = `RabbitMQ: not connected to ${this.#settings.where}; the connection is opened again`;
    throw new BusError('DUOBUS_UNAVAILABLE', message, { retryable: true });
  }

  #refuseClosed(): void {
    if (this.#closed) throw closedError();
  }
}

function closedError(): BusError {
  return new BusError('DUOBUS_CLOSED', 'this connection to RabbitMQ was closed: connect again');
}
