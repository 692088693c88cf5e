import {
  BusError,
  type PartitionReader,
  type Place,
  type ReaderEvents,
  type Reading,
  Readings,
  systemClock,
} from '@duobus/core/driver';
import { parseAppended, startRing } from './log-channel.ts';
import { type Moment, moment, msSince } from './moment.ts';
import type { PartitionLog } from './partition-log.ts';
import { SegmentSource } from './segment-source.ts';

export interface LogReaderOptions {
  readonly topic: string;
  readonly log: (partition: number) => PartitionLog;
  readonly events: ReaderEvents;
  readonly listen: (onRing: (message: string) => void) => () => void;
  /** Aborted when what members rely on is lost. */
  readonly ended: AbortSignal;
  /** Bells can be lost: how often is looked all the same. */
  readonly lookEveryMs: number;
  /** For so long what fails for a moment is tried again. */
  readonly patienceMs: number;
  readonly closed: () => void;
}

const fetchBytes = 1_048_576;
/** While it reads, a reader looks so often where the log begins. */
const startEveryMs = 3_000;
/** At the end it does so at every so many of its looks: the log begins not after its end, if that is the end. */
const startEveryLooks = 3;
const firstPauseMs = 200;
const longestPauseMs = 5_000;

/** How far a partition is known. */
interface Following {
  source: SegmentSource | undefined;
  busy: boolean;
  /** Counts what may mean that there is more. */
  rings: number;
  /** How many of these were there when the end was reached. */
  seen: number;
  startSeen: { readonly first: number; readonly asOf: Moment } | undefined;
  failures: number;
  failingSince: Moment;
}

/** Reads the partitions of one member. Where the end was reached nothing is asked for until a bell rings. */
export class LogReader implements PartitionReader {
  readonly #options: LogReaderOptions;
  readonly #readings: Readings;
  readonly #following = new WeakMap<Reading, Following>();
  /** By partition: where it ends, as far as was heard. */
  readonly #heard = new Map<number, number>();
  readonly #ending = new AbortController();
  readonly #endings = new Set<() => void>();

  constructor(options: LogReaderOptions) {
    this.#options = options;
    this.#readings = new Readings(options.events, (reading) => this.#look(reading));
    const { ended } = options;
    const lost = (): void => this.#fail(ended.reason);
    ended.addEventListener('abort', lost);
    this.#endings.add(() => ended.removeEventListener('abort', lost));
    this.#endings.add(options.listen((message) => this.#rung(message)));
    this.#endings.add(options.closed);
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
    this.#ending.abort(new BusError('DUOBUS_CLOSED', 'this reader has been closed'));
    this.#readings.clear();
    for (const end of this.#endings) end();
    this.#endings.clear();
  }

  #rung(message: string): void {
    const appended = parseAppended(message);
    if (appended !== undefined) {
      const { partition, end } = appended;
      this.#heard.set(partition, Math.max(end, this.#heard.get(partition) ?? 0));
    }
    for (const reading of this.#readings.all) {
      const following = this.#followingOf(reading);
      // '' says that something may have been missed
      if (message === '') following.rings += 1;
      else if (message === startRing(reading.partition)) following.startSeen = undefined;
      else if (appended?.partition !== reading.partition) continue;
      this.#look(reading);
    }
  }

  #lookAgain(): void {
    this.#after(this.#options.lookEveryMs, () => {
      this.#lookAgain();
      this.#rung('');
    });
  }

  #after(ms: number, run: () => void): void {
    const cancel = systemClock.after(ms, () => {
      this.#endings.delete(cancel);
      if (!this.#ending.signal.aborted) run();
    });
    this.#endings.add(cancel);
  }

  #followingOf(reading: Reading): Following {
    let following = this.#following.get(reading);
    if (following === undefined) {
      following = {
        source: undefined,
        busy: false,
        rings: 1,
        seen: 0,
        startSeen: undefined,
        failures: 0,
        failingSince: moment(),
      };
      this.#following.set(reading, following);
    }
    return following;
  }

  /** Reads on in a partition if it is wanted and there may be something. */
  #look(reading: Reading): void {
    const from = this.#readings.due(reading);
    if (from === undefined) return;
    const following = this.#followingOf(reading);
    const heard = this.#heard.get(reading.partition) ?? 0;
    if (following.busy) return;
    if (following.rings === following.seen && heard <= from.offset) {
      following.source?.rest();
      return;
    }
    following.busy = true;
    this.#read(reading, from, following).then(
      () => {
        following.busy = false;
        following.failures = 0;
        this.#look(reading);
      },
      (error: unknown) => this.#failed(reading, following, error),
    );
  }

  async #read(reading: Reading, from: Place, following: Following): Promise<void> {
    const { signal } = this.#ending;
    const log = this.#options.log(reading.partition);
    const { rings } = following;
    const heard = this.#heard.get(reading.partition) ?? 0;
    if (following.source?.next !== from.offset) following.source = new SegmentSource(log, from);
    const isEnd = log.end.trusted === from.offset && heard <= from.offset;
    const everyMs = isEnd ? startEveryLooks * this.#options.lookEveryMs : startEveryMs;
    const looking = this.#startOf(log, following, everyMs);
    looking.catch(() => undefined); // looked at below
    const { records, next, state } = await following.source.take(fetchBytes, false, signal);
    const isNews = isEnd && records.length > 0;
    const first = await (isNews ? this.#startOf(log, following, startEveryMs) : looking);
    const passed = first > from.offset;
    if (passed || state === 'gone') {
      following.source = undefined;
      await this.#trimmed(reading, from, log);
      return;
    }
    if (state === 'end') {
      following.seen = rings;
      // whoever has rung for more than there is was wrong, or means another topic of that name
      if (this.#heard.get(reading.partition) === heard) this.#heard.delete(reading.partition);
    }
    this.#readings.found(reading, records, next);
  }

  async #trimmed(reading: Reading, from: Place, log: PartitionLog): Promise<void> {
    const bounds = await log.bounds(this.#ending.signal);
    if (from.offset >= bounds.first.offset && from.offset <= bounds.end.offset)
      throw log.missing(from.offset);
    this.#readings.trimmed(reading, bounds);
  }

  /** Where the log begins, as it was not longer ago than that. */
  async #startOf(log: PartitionLog, following: Following, everyMs: number): Promise<number> {
    const { startSeen } = following;
    if (startSeen !== undefined && msSince(startSeen.asOf) < everyMs) return startSeen.first;
    const asOf = moment();
    const first = await log.start(this.#ending.signal);
    following.startSeen = { first, asOf };
    return first;
  }

  /** What fails for a moment is no reason to let others take over. */
  #failed(reading: Reading, following: Following, error: unknown): void {
    following.source = undefined;
    if (this.#ending.signal.aborted) return;
    const passing = BusError.is(error, 'DUOBUS_UNAVAILABLE') && error.retryable;
    if (following.failures === 0) following.failingSince = moment();
    following.failures += 1;
    if (!passing || msSince(following.failingSince) > this.#options.patienceMs) {
      this.#fail(error);
      return;
    }
    const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** (following.failures - 1));
    this.#after(pauseMs, () => {
      following.busy = false;
      following.rings += 1;
      this.#look(reading);
    });
  }

  #fail(error: unknown): void {
    if (this.#ending.signal.aborted) return;
    void this.close();
    this.#options.events.failed(
      BusError.is(error)
        ? error
        : new BusError('DUOBUS_BUG', `reading topic '${this.#options.topic}' failed`, {
            cause: error,
          }),
    );
  }
}
