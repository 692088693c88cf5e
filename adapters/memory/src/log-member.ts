import {
  BusError,
  type LogEvent,
  type LogMember,
  type Place,
  type PointerWrite,
} from '@duobus/core/driver';
import type { Connection, ConnectionMember } from './connection.ts';
import type { DataTopic } from './data-topic.ts';
import type { Group } from './group.ts';
import { MemberInbox } from './member-inbox.ts';
import type { Owner, RevokeCause } from './ownership.ts';

/** How far a partition has been read for its owner. */
interface Reading {
  readonly token: number;
  next: Place | undefined;
  open: boolean;
  /** A fetch waits to be received: at most one does. */
  waiting: boolean;
}

const fetchBytes = 1_048_576;

/** One consumer of a group. */
export class MemoryLogMember implements LogMember, ConnectionMember, Owner {
  readonly topic: string;
  readonly name: string;
  readonly #inbox = new MemberInbox<LogEvent>();
  readonly #connection: Connection;
  readonly #topic: DataTopic;
  readonly #group: Group;
  readonly #readings = new Map<number, Reading>();
  #over: 'closed' | 'lost' | undefined;

  constructor(connection: Connection, topic: DataTopic, group: Group) {
    this.#connection = connection;
    this.#topic = topic;
    this.#group = group;
    this.topic = topic.record.name;
    this.name = group.name;
    connection.add(this);
    group.ownership.join(this);
  }

  async receive(signal: AbortSignal): Promise<readonly LogEvent[]> {
    for (const partition of this.#readings.keys()) this.fetch(partition);
    const events = await this.#inbox.receive(signal);
    for (const event of events) {
      const reading =
        event.type === 'records' ? this.#reading(event.partition, event.token) : undefined;
      if (reading !== undefined) reading.waiting = false;
    }
    return events;
  }

  start(partition: number, token: number, place: Place): void {
    this.#check();
    const reading = this.#reading(partition, token);
    if (reading === undefined) return;
    this.#forget(partition, token);
    reading.next = { offset: place.offset, time: place.time };
    reading.open = true;
    reading.waiting = false;
    this.fetch(partition);
  }

  flow(partition: number, token: number, open: boolean): void {
    this.#check();
    const reading = this.#reading(partition, token);
    if (reading === undefined) return;
    reading.open = open;
    this.fetch(partition);
  }

  async commit(writes: readonly PointerWrite[]): Promise<readonly ('ok' | 'fenced')[]> {
    this.#check();
    if (this.#over === 'lost') throw this.#lost('the connection was lost');
    return writes.map((write) => this.#group.commit(this, write));
  }

  async release(partition: number, token: number): Promise<void> {
    this.#check();
    if (this.#reading(partition, token) !== undefined) this.#stop(partition, token);
    this.#group.ownership.release(this, partition, token);
  }

  async close(): Promise<void> {
    if (this.#over === 'closed') return;
    const lost = this.#over === 'lost';
    this.#over = 'closed';
    this.#inbox.end(this.#closed());
    if (!lost) this.#leave();
  }

  cut(reason: string): void {
    this.#end({ type: 'lost', error: this.#lost(reason) });
  }

  gone(): void {
    this.#end({
      type: 'gone',
      error: new BusError('DUOBUS_NOT_FOUND', `topic ${this.topic} has been removed`),
    });
  }

  assigned(partition: number, token: number): void {
    this.#readings.set(partition, { token, next: undefined, open: false, waiting: false });
    this.#inbox.push({
      type: 'assigned',
      partition,
      token,
      pointer: this.#group.pointer(partition),
    });
  }

  revoking(partition: number, token: number, cause: RevokeCause, withinMs: number): void {
    this.#readings.delete(partition);
    this.#inbox.push({ type: 'revoking', partition, token, cause, withinMs });
  }

  revoked(partition: number, token: number): void {
    this.#stop(partition, token);
    this.#inbox.push({ type: 'revoked', partition, token });
  }

  /** Reads on in a partition if it is wanted and there is something. */
  fetch(partition: number): void {
    const reading = this.#readings.get(partition);
    if (reading?.next === undefined || !reading.open || reading.waiting) return;
    const { token } = reading;
    const log = this.#topic.log(partition);
    if (!log.has(reading.next)) {
      reading.next = undefined;
      this.#inbox.push({ type: 'trimmed', partition, token, bounds: log.bounds() });
      return;
    }
    const { records, next } = log.read(this.#topic.record, partition, reading.next, fetchBytes);
    reading.next = next;
    if (records.length === 0) return;
    reading.waiting = true;
    this.#inbox.push({ type: 'records', partition, token, records });
  }

  #reading(partition: number, token: number): Reading | undefined {
    const reading = this.#readings.get(partition);
    return reading?.token === token ? reading : undefined;
  }

  #stop(partition: number, token: number): void {
    if (this.#reading(partition, token) !== undefined) this.#readings.delete(partition);
    this.#forget(partition, token);
  }

  #forget(partition: number, token: number): void {
    this.#inbox.discard(
      (event) => event.type === 'records' && event.partition === partition && event.token === token,
    );
  }

  #end(event: LogEvent): void {
    if (this.#over !== undefined) return;
    this.#over = 'lost';
    this.#readings.clear();
    this.#inbox.push(event);
    this.#leave();
  }

  #leave(): void {
    this.#group.ownership.leave(this);
    this.#connection.remove(this);
  }

  #check(): void {
    if (this.#over === 'closed') throw this.#closed();
  }

  #closed(): BusError {
    return new BusError(
      'DUOBUS_CLOSED',
      `the member of group ${this.name} on topic ${this.topic} is closed`,
    );
  }

  #lost(reason: string): BusError {
    return new BusError(
      'DUOBUS_UNAVAILABLE',
      `the member of group ${this.name} on topic ${this.topic} is over: ${reason}`,
      { retryable: true },
    );
  }
}
