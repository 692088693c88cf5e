import {
  BusError,
  type PartitionReader,
  type Place,
  type ReaderEvents,
  type Reading,
  Readings,
  type StoredTopic,
  systemClock,
} from '@duobus/core/driver';
import type { Connection } from './connection.ts';
import { appendedChannel } from './keys.ts';
import type { PartitionLogs } from './partition-logs.ts';

const fetchBytes = 1_048_576;
/** Bells can be missed; and nobody rings for what others than duobus add. */
const lookEveryMs = 2_000;

/** Reads the partitions of one member. Nothing blocks in the server: reads are made when a bell rings. */
export class LogReader implements PartitionReader {
  readonly #logs: PartitionLogs;
  readonly #topic: StoredTopic;
  readonly #events: ReaderEvents;
  readonly #readings: Readings;
  /** A fetch is under way. */
  readonly #busy = new WeakSet<Reading>();
  /** Nothing has been appended since the last fetch began, as far as was heard. */
  readonly #quiet = new WeakSet<Reading>();
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
    this.#readings = new Readings(events, (reading) => this.#look(reading));
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
    this.#readings.start(partition, token, place);
  }

  flow(partition: number, token: number, open: boolean): void {
    this.#readings.flow(partition, token, open);
  }

  taken(partition: number, token: number): void {
    this.#readings.taken(partition, token);
  }

  stop(partition: number): void {
    this.#readings.stop(partition);
  }

  async close(): Promise<void> {
    this.#over = true;
    this.#readings.clear();
    for (const end of this.#endings.splice(0)) end();
  }

  /** '' is for all partitions. */
  #rung(message: string): void {
    for (const reading of this.#readings.all) {
      if (message !== '' && Number(message) !== reading.partition) continue;
      this.#quiet.delete(reading);
      this.#look(reading);
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
  #look(reading: Reading): void {
    const from = this.#readings.due(reading);
    if (from === undefined || this.#busy.has(reading) || this.#quiet.has(reading)) return;
    this.#busy.add(reading);
    this.#quiet.add(reading);
    this.#read(reading, from).catch((error: unknown) => this.#fail(error));
  }

  async #read(reading: Reading, from: Place): Promise<void> {
    const found = await this.#logs.read(this.#topic, reading.partition, from, fetchBytes);
    const { first, end } = found.bounds;
    this.#busy.delete(reading);
    if (!found.atEnd) this.#quiet.delete(reading);
    if (from.offset < first.offset || from.offset > end.offset)
      this.#readings.trimmed(reading, found.bounds);
    else this.#readings.found(reading, found.records, found.next);
    this.#look(reading);
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
