import {
  BusError,
  type PartitionReader,
  type Place,
  type ReaderEvents,
  type StoredTopic,
  systemClock,
} from '@duobus/core/driver';
import type { Connection } from './connection.ts';
import { appendedChannel } from './keys.ts';
import type { PartitionLogs } from './partition-logs.ts';

/** How far a partition has been read for its owner. */
interface Reading {
  readonly token: number;
  next: Place | undefined;
  open: boolean;
  /** A fetch waits to be received: at most one does. */
  waiting: boolean;
  /** A fetch is under way. */
  busy: boolean;
  /** Something was appended, or may have been, since the fetch under way began. */
  rung: boolean;
}

const fetchBytes = 1_048_576;
/** Bells can be missed; and nobody rings for what others than duobus add. */
const lookEveryMs = 2_000;

/** Reads the partitions of one member. Nothing blocks in the server: reads are made when a bell rings. */
export class LogReader implements PartitionReader {
  readonly #logs: PartitionLogs;
  readonly #topic: StoredTopic;
  readonly #events: ReaderEvents;
  readonly #readings = new Map<number, Reading>();
  readonly #endings: (() => void)[] = [];
  #over = false;

  constructor(
    connection: Connection,
    logs: PartitionLogs,
    topic: StoredTopic,
    events: ReaderEvents,
  ) {
    this.#logs = logs;
    this.#topic = topic;
    this.#events = events;
    const { ended } = connection;
    const lost = (): void => this.#fail(ended.reason);
    ended.addEventListener('abort', lost);
    this.#endings.push(
      () => ended.removeEventListener('abort', lost),
      connection.listen(appendedChannel(topic), (message) => this.#rung(message)),
    );
    if (ended.aborted) queueMicrotask(lost);
    else this.#lookAgain();
  }

  start(partition: number, token: number, place: Place): void {
    const reading = { token, next: place, open: true, waiting: false, busy: false, rung: true };
    this.#readings.set(partition, reading);
    this.#look(partition);
  }

  flow(partition: number, token: number, open: boolean): void {
    const reading = this.#readings.get(partition);
    if (reading?.token !== token) return;
    reading.open = open;
    this.#look(partition);
  }

  taken(partition: number, token: number): void {
    const reading = this.#readings.get(partition);
    if (reading?.token !== token) return;
    reading.waiting = false;
    this.#look(partition);
  }

  stop(partition: number): void {
    this.#readings.delete(partition);
  }

  async close(): Promise<void> {
    this.#over = true;
    this.#readings.clear();
    for (const end of this.#endings.splice(0)) end();
  }

  /** '' is for all partitions. */
  #rung(message: string): void {
    const partitions = message === '' ? [...this.#readings.keys()] : [Number(message)];
    for (const partition of partitions) {
      const reading = this.#readings.get(partition);
      if (reading === undefined) continue;
      reading.rung = true;
      this.#look(partition);
    }
  }

  #lookAgain(): void {
    const cancel = systemClock.after(lookEveryMs, () => {
      this.#endings.splice(this.#endings.indexOf(cancel), 1);
      if (this.#over) return;
      this.#lookAgain();
      this.#rung('');
    });
    this.#endings.push(cancel);
  }

  /** Reads on in a partition if it is wanted and there may be something. */
  #look(partition: number): void {
    const reading = this.#readings.get(partition);
    if (reading?.next === undefined || !reading.open || reading.waiting || reading.busy) return;
    if (!reading.rung) return;
    reading.rung = false;
    reading.busy = true;
    this.#read(partition, reading, reading.next).catch((error: unknown) => this.#fail(error));
  }

  async #read(partition: number, reading: Reading, from: Place): Promise<void> {
    const { records, next, atEnd, bounds } = await this.#logs.read(
      this.#topic,
      partition,
      from,
      fetchBytes,
    );
    if (this.#readings.get(partition) !== reading) return;
    reading.busy = false;
    if (from.offset < bounds.first.offset || from.offset > bounds.end.offset) {
      reading.next = undefined;
      this.#events.trimmed(partition, reading.token, bounds);
      return;
    }
    reading.next = next;
    if (!atEnd) reading.rung = true;
    if (records.length > 0) {
      reading.waiting = true;
      this.#events.records(partition, reading.token, records);
    }
    this.#look(partition);
  }

  #fail(error: unknown): void {
    if (this.#over) return;
    void this.close();
    this.#events.failed(
      BusError.is(error)
        ? error
        : new BusError('DUOBUS_BUG', `reading topic '${this.#topic.name}' failed`, {
            cause: error,
          }),
    );
  }
}
