import { BusError } from '@duobus/core/driver';
import type { MemoryBroker } from './broker.ts';

/** What ends with its connection. */
export interface ConnectionMember {
  readonly topic: string;
  readonly name: string;
  cut(reason: string): void;
}

/** A driver's way to the broker: it can be cut, and has to be opened again then. */
export class Connection {
  readonly broker: MemoryBroker;
  readonly #members = new Set<ConnectionMember>();
  #state: 'new' | 'open' | 'cut' | 'closed' = 'new';

  constructor(broker: MemoryBroker) {
    this.broker = broker;
  }

  get members(): ReadonlySet<ConnectionMember> {
    return this.#members;
  }

  open(signal: AbortSignal): void {
    signal.throwIfAborted();
    if (this.#state === 'closed') throw this.#closed();
    if (!this.broker.up) throw this.#unavailable('it is stopped');
    this.#state = 'open';
    this.broker.connections.add(this);
  }

  /** Why nothing can be published just now, if so: then it is certain that nothing was stored. */
  refusal(): BusError | undefined {
    return this.#state === 'cut' ? this.#unavailable('the connection was lost') : undefined;
  }

  /** Throws unless calls can reach the broker. */
  check(signal?: AbortSignal): void {
    signal?.throwIfAborted();
    if (this.#state === 'closed') throw this.#closed();
    if (this.#state !== 'open')
      throw this.#unavailable(
        this.#state === 'new' ? 'not connected yet' : 'the connection was lost',
      );
  }

  close(): void {
    if (this.#state === 'closed') return;
    this.#end('the bus was closed');
    this.#state = 'closed';
  }

  cut(reason: string): void {
    if (this.#state !== 'open') return;
    this.#state = 'cut';
    this.#end(reason);
  }

  add(member: ConnectionMember): void {
    this.#members.add(member);
    this.broker.watch();
  }

  remove(member: ConnectionMember): void {
    this.#members.delete(member);
    this.broker.watch();
  }

  #end(reason: string): void {
    for (const member of this.#members) member.cut(reason);
    this.broker.connections.delete(this);
  }

  #closed(): BusError {
    return new BusError(
      'DUOBUS_CLOSED',
      `the connection to memory broker ${this.broker.name} is closed`,
    );
  }

  #unavailable(why: string): BusError {
    return new BusError(
      'DUOBUS_UNAVAILABLE',
      `cannot reach memory broker ${this.broker.name}: ${why}`,
      { retryable: true },
    );
  }
}
