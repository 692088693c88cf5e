import {
  BusError,
  memberKey,
  type PartitionReader,
  type Place,
  type ReaderEvents,
  type Reading,
  Readings,
} from '@duobus/core/driver';
import type { Connection, ConnectionMember } from './connection.ts';
import type { DataTopic } from './data-topic.ts';

const fetchBytes = 1_048_576;

/** Reads the partitions of one member. */
export class LogReader implements PartitionReader, ConnectionMember {
  readonly topic: string;
  readonly name: string;
  readonly #connection: Connection;
  readonly #topic: DataTopic;
  readonly #events: ReaderEvents;
  readonly #as: string;
  readonly #readings: Readings;
  readonly #forget = new Map<number, () => void>();

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
    this.#readings = new Readings(events, (reading) => this.#read(reading));
    this.topic = topic.record.name;
    this.name = member.group;
    connection.add(this);
    topic.readers.add(this);
  }

  start(partition: number, token: number, place: Place): void {
    this.stop(partition);
    const appended = (): void => {
      const reading = this.#readings.get(partition);
      if (reading !== undefined) this.#read(reading);
    };
    this.#forget.set(partition, this.#topic.log(partition).whenAppended(appended));
    this.#readings.start(partition, token, place);
  }

  flow(partition: number, token: number, open: boolean): void {
    this.#readings.flow(partition, token, open);
  }

  taken(partition: number, token: number): void {
    this.#readings.taken(partition, token);
  }

  stop(partition: number): void {
    this.#forget.get(partition)?.();
    this.#forget.delete(partition);
    this.#readings.stop(partition);
  }

  async close(): Promise<void> {
    for (const { partition } of this.#readings.all) this.stop(partition);
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
  #read(reading: Reading): void {
    const from = this.#readings.due(reading);
    if (from === undefined) return;
    const { partition } = reading;
    const log = this.#topic.log(partition);
    if (!log.has(from)) {
      this.#readings.trimmed(reading, log.bounds());
      return;
    }
    const { records, next } = log.read(this.#topic.record, partition, from, fetchBytes);
    this.#readings.found(reading, records, next);
  }
}
