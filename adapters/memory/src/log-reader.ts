import {
  BusError,
  memberKey,
  type PartitionReader,
  type Place,
  type ReaderEvents,
} from '@duobus/core/driver';
import type { Connection, ConnectionMember } from './connection.ts';
import type { DataTopic } from './data-topic.ts';

/** How far a partition has been read for its owner. */
interface Reading {
  readonly token: number;
  next: Place | undefined;
  open: boolean;
  /** A fetch waits to be received: at most one does. */
  waiting: boolean;
  readonly forget: () => void;
}

const fetchBytes = 1_048_576;

/** Reads the partitions of one member. */
export class LogReader implements PartitionReader, ConnectionMember {
  readonly topic: string;
  readonly name: string;
  readonly #connection: Connection;
  readonly #topic: DataTopic;
  readonly #events: ReaderEvents;
  readonly #as: string;
  readonly #readings = new Map<number, Reading>();

  constructor(
    connection: Connection,
    topic: DataTopic,
    member: { readonly group: string; readonly as: string },
    events: ReaderEvents,
  ) {
    this.#connection = connection;
    this.#topic = topic;
    this.#events = events;
    this.#as = member.as;
    this.topic = topic.record.name;
    this.name = member.group;
    connection.add(this);
    topic.readers.add(this);
  }

  start(partition: number, token: number, place: Place): void {
    this.stop(partition);
    const read = (): void => this.#read(partition);
    this.#readings.set(partition, {
      token,
      next: place,
      open: true,
      waiting: false,
      forget: this.#topic.log(partition).whenAppended(read),
    });
    read();
  }

  flow(partition: number, token: number, open: boolean): void {
    const reading = this.#readings.get(partition);
    if (reading?.token !== token) return;
    reading.open = open;
    this.#read(partition);
  }

  taken(partition: number, token: number): void {
    const reading = this.#readings.get(partition);
    if (reading?.token !== token) return;
    reading.waiting = false;
    this.#read(partition);
  }

  stop(partition: number): void {
    this.#readings.get(partition)?.forget();
    this.#readings.delete(partition);
  }

  async close(): Promise<void> {
    for (const partition of this.#readings.keys()) this.stop(partition);
    this.#connection.remove(this);
    this.#topic.readers.delete(this);
  }

  cut(reason: string): void {
    this.#end(
      new BusError(
        'DUOBUS_UNAVAILABLE',
        `the member of group ${this.name} on topic ${this.topic} is over: ${reason}`,
        { retryable: true },
      ),
    );
  }

  gone(): void {
    this.#end(new BusError('DUOBUS_NOT_FOUND', `topic ${this.topic} has been removed`));
  }

  #end(error: BusError): void {
    void this.close();
    this.#events.failed(error);
    // the broker sees at once who is gone: nobody has to wait for the end of the lease
    this.#topic.group(this.name).delete(memberKey(this.#as));
  }

  /** Reads on in a partition if it is wanted and there is something. */
  #read(partition: number): void {
    const reading = this.#readings.get(partition);
    if (reading?.next === undefined || !reading.open || reading.waiting) return;
    const { token, next: from } = reading;
    const log = this.#topic.log(partition);
    if (!log.has(from)) {
      reading.next = undefined;
      this.#events.trimmed(partition, token, log.bounds());
      return;
    }
    const { records, next } = log.read(this.#topic.record, partition, from, fetchBytes);
    reading.next = next;
    if (records.length === 0) return;
    reading.waiting = true;
    this.#events.records(partition, token, records);
  }
}
