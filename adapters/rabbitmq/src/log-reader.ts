import {
  type Bounds,
  BusError,
  type PartitionReader,
  type Place,
  type ReaderEvents,
} from '@duobus/core/driver';
import type { Links } from './folded-stream.ts';
import type { LogEnds } from './log-ends.ts';
import type { MemberLife } from './member-life.ts';
import { classify } from './native-errors.ts';
import { StreamCursor } from './stream-cursor.ts';

const fetchBytes = 1024 * 1024;
const openMs = 30_000;

/** How far a partition has been read for its owner. */
interface Reading {
  readonly partition: number;
  readonly token: number;
  readonly queue: string;
  next: number;
  open: boolean;
  /** A fetch waits to be received: at most one does. */
  waiting: boolean;
  cursor: StreamCursor | undefined;
  opening: boolean;
  /** Records will be handed on in a moment. */
  scheduled: boolean;
  /** Retention has passed it: it stands. */
  trimmed: boolean;
}

export interface LogReaderOptions {
  readonly links: Links;
  readonly ends: LogEnds;
  readonly queueOf: (partition: number) => string;
  /** What is not acknowledged for so long is given up before the broker does. */
  readonly holdMs: number;
  /** Of the member that reads: it ends with the reading. */
  readonly life: MemberLife | undefined;
  readonly events: ReaderEvents;
}

/** Reads the partitions of one member. */
export class LogReader implements PartitionReader {
  readonly #options: LogReaderOptions;
  readonly #readings = new Map<number, Reading>();
  readonly #closing = new Set<Promise<void>>();
  readonly #over = new AbortController();
  readonly #timer: NodeJS.Timeout;

  constructor(options: LogReaderOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#relieve(), options.holdMs / 2).unref();
  }

  start(partition: number, token: number, place: Place): void {
    this.stop(partition);
    const reading: Reading = {
      partition,
      token,
      queue: this.#options.queueOf(partition),
      next: place.offset,
      open: true,
      waiting: false,
      cursor: undefined,
      opening: false,
      scheduled: false,
      trimmed: false,
    };
    this.#readings.set(partition, reading);
    this.#begin(reading, true);
  }

  flow(partition: number, token: number, open: boolean): void {
    const reading = this.#find(partition, token);
    if (reading === undefined) return;
    reading.open = open;
    this.#schedule(reading);
  }

  taken(partition: number, token: number): void {
    const reading = this.#find(partition, token);
    if (reading === undefined) return;
    reading.waiting = false;
    this.#schedule(reading);
  }

  stop(partition: number): void {
    const reading = this.#readings.get(partition);
    if (reading === undefined) return;
    this.#readings.delete(partition);
    this.#leave(reading);
  }

  async close(): Promise<void> {
    this.#over.abort(new BusError('DUOBUS_CLOSED', 'this member has been closed'));
    clearInterval(this.#timer);
    for (const partition of this.#readings.keys()) this.stop(partition);
    await Promise.all([...this.#closing, this.#options.life?.close()]);
  }

  #find(partition: number, token: number): Reading | undefined {
    const reading = this.#readings.get(partition);
    return reading?.token === token ? reading : undefined;
  }

  #current(reading: Reading): boolean {
    return this.#readings.get(reading.partition) === reading;
  }

  #begin(reading: Reading, anew: boolean): void {
    reading.opening = true;
    this.#open(reading, anew)
      .catch((error: unknown) => this.#failed(reading, error))
      .finally(() => {
        reading.opening = false;
        this.#schedule(reading);
      });
  }

  /** A place that is not kept begins silently at the first that is, and one beyond the end at the end. */
  async #open(reading: Reading, anew: boolean): Promise<void> {
    const signal = AbortSignal.any([this.#over.signal, AbortSignal.timeout(openMs)]);
    if (anew && (await this.#isOutside(reading, signal))) return;
    if (!this.#current(reading)) return;
    const { links } = this.#options;
    const cursor = await StreamCursor.open(
      links.consume(),
      reading.queue,
      reading.next,
      {
        arrived: () => this.#schedule(reading),
        ended: (reason, cancelled) => this.#ended(reading, reason, cancelled),
      },
      signal,
    );
    if (this.#current(reading)) reading.cursor = cursor;
    else this.#close(cursor);
  }

  async #isOutside(reading: Reading, signal: AbortSignal): Promise<boolean> {
    const [bounds] = await this.#options.ends.bounds([reading.queue], signal);
    if (bounds === undefined || !this.#current(reading)) return false;
    const { first, end } = bounds;
    if (reading.next >= first.offset && reading.next <= end.offset) return false;
    this.#trimmed(reading, bounds);
    return true;
  }

  /** Soon, so that what arrives together is handed on together. */
  #schedule(reading: Reading): void {
    if (reading.scheduled) return;
    reading.scheduled = true;
    queueMicrotask(() => {
      reading.scheduled = false;
      if (this.#current(reading)) this.#hand(reading);
    });
  }

  #hand(reading: Reading): void {
    const { cursor, partition, token } = reading;
    if (!reading.open || reading.waiting || reading.trimmed || reading.opening) return;
    if (cursor === undefined) return this.#begin(reading, false);
    if (cursor.gap) return this.#lookInto(reading, cursor);
    const records = cursor.take(fetchBytes);
    reading.next = cursor.next;
    if (records.length > 0) {
      reading.waiting = true;
      this.#options.events.records(partition, token, records);
    } else if (!cursor.empty) this.#schedule(reading);
  }

  /** Retention passes a reader silently: it gets what is kept next. */
  #lookInto(reading: Reading, cursor: StreamCursor): void {
    reading.opening = true;
    const signal = AbortSignal.any([this.#over.signal, AbortSignal.timeout(openMs)]);
    this.#options.ends
      .bounds([reading.queue], signal)
      .then(([bounds]) => {
        if (!this.#current(reading) || reading.cursor !== cursor) return;
        if (bounds !== undefined && bounds.first.offset > reading.next)
          this.#trimmed(reading, bounds);
        else cursor.stepOver();
      })
      .catch((error: unknown) => this.#failed(reading, error))
      .finally(() => {
        reading.opening = false;
        this.#schedule(reading);
      });
  }

  #trimmed(reading: Reading, bounds: Bounds): void {
    reading.trimmed = true;
    this.#leave(reading);
    this.#options.events.trimmed(reading.partition, reading.token, bounds);
  }

  /** The broker ends who keeps messages for too long, and taking them is the only way to give them back. */
  #relieve(): void {
    const before = Date.now() - this.#options.holdMs / 2;
    for (const reading of this.#readings.values()) {
      reading.cursor?.acknowledge();
      if ((reading.cursor?.waitingSince ?? before) < before) this.#leave(reading);
    }
  }

  #leave(reading: Reading): void {
    const { cursor } = reading;
    reading.cursor = undefined;
    if (cursor !== undefined) this.#close(cursor);
  }

  #close(cursor: StreamCursor): void {
    const closing = cursor.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  #ended(reading: Reading, reason: Error | undefined, cancelled: boolean): void {
    if (!this.#current(reading)) return;
    reading.cursor = undefined;
    if (cancelled)
      this.#begin(reading, false); // tells whether the stream is gone, or only moved
    else this.#failed(reading, reason);
  }

  #failed(reading: Reading, error: unknown): void {
    if (!this.#current(reading) || this.#over.signal.aborted) return;
    this.#options.events.failed(classify(error, `read '${reading.queue}'`));
  }
}
