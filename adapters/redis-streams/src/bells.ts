import type { Client } from './client.ts';

type Listener = (message: string) => void;

/** Channels of one connection, shared by all who listen. */
export class Bells {
  readonly #listeners = new Map<string, Set<Listener>>();
  #client: Client | undefined;

  /** Listens on another connection from now on. */
  attach(client: Client): void {
    this.#client = client;
    client.on('message', (channel: string, message: string) => {
      if (client === this.#client) this.#ring(channel, message);
    });
    for (const channel of this.#listeners.keys()) this.#subscribe(channel);
  }

  /** Calls `onRing` with what is published to a channel, and with '' as soon as nothing is missed any more.
   *  Returns what ends it. */
  listen(channel: string, onRing: Listener): () => void {
    const known = this.#listeners.get(channel);
    const listeners = known ?? new Set();
    // one of its own, so that the same function may listen twice
    const listener: Listener = (message) => onRing(message);
    listeners.add(listener);
    this.#listeners.set(channel, listeners);
    if (known === undefined) this.#subscribe(channel);
    else queueMicrotask(() => listeners.has(listener) && onRing(''));
    return () => {
      if (!listeners.delete(listener) || listeners.size > 0) return;
      if (this.#listeners.get(channel) !== listeners) return;
      this.#listeners.delete(channel);
      this.#client?.unsubscribe(channel).catch(() => undefined); // a lost connection forgets by itself
    };
  }

  #subscribe(channel: string): void {
    // a lost connection is told by its end; whoever listens looks by itself now and then
    this.#client?.subscribe(channel).then(
      () => this.#ring(channel, ''),
      () => undefined,
    );
  }

  #ring(channel: string, message: string): void {
    for (const listener of this.#listeners.get(channel) ?? []) listener(message);
  }
}
