import {
  type Bounds,
  BusError,
  type PartitionReader,
  type Place,
  type ReaderEvents,
  type Reading,
  Readings,
} from '@duobus/core/driver';
import type { Links } from './folded-stream.ts';
import type { LogEnds } from './log-ends.ts';
import type { MemberLife } from './member-life.ts';
import { classify } from './native-errors.ts';
import { StreamCursor } from './stream-cursor.ts';

const fetchBytes = 1024 * 1024;
const openMs = 30_000;

/** What a reading has of RabbitMQ. */
interface Side {
  readonly queue: string;
  cursor: StreamCursor | undefined;
  /** Where it begins has not been compared with what is kept. */
  unchecked: boolean;
  opening: boolean;
  /** Records will be handed on in a moment. */
  scheduled: boolean;
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
  readonly #readings: Readings;
  readonly #sides = new WeakMap<Reading, Side>();
  readonly #closing = new Set<Promise<void>>();
  readonly #over = new AbortController();
  readonly #timer: NodeJS.Timeout;

  constructor(options: LogReaderOptions) {
    this.#options = options;
    this.#readings = new Readings(options.events, (reading) => this.#schedule(reading));
    this.#timer = setInterval(() => this.#relieve(), options.holdMs / 2).unref();
  }

  start(partition: number, token: number, place: Place): void {
    this.stop(partition);
    this.#readings.start(partition, token, place);
  }

  flow(partition: number, token: number, open: boolean): void {
    this.#readings.flow(partition, token, open);
  }

  taken(partition: number, token: number): void {
    this.#readings.taken(partition, token);
  }

  stop(partition: number): void {
    const reading = this.#readings.get(partition);
    if (reading === undefined) return;
    this.#readings.stop(partition);
    this.#leave(reading);
  }

  async close(): Promise<void> {
    this.#over.abort(new BusError('DUOBUS_CLOSED', 'this member has been closed'));
    clearInterval(this.#timer);
    for (const { partition } of this.#readings.all) this.stop(partition);
    await Promise.all([...this.#closing, this.#options.life?.close()]);
  }

  #side(reading: Reading): Side {
    const known = this.#sides.get(reading);
    if (known !== undefined) return known;
    const queue = this.#options.queueOf(reading.partition);
    const side = { queue, cursor: undefined, unchecked: true, opening: false, scheduled: false };
    this.#sides.set(reading, side);
    return side;
  }

  #current(reading: Reading): boolean {
    return this.#readings.get(reading.partition) === reading;
  }

  /** Runs a step that takes requests; nothing is handed on before it is over. */
  #during(reading: Reading, step: (signal: AbortSignal) => Promise<void>): void {
    const side = this.#side(reading);
    side.opening = true;
    step(AbortSignal.any([this.#over.signal, AbortSignal.timeout(openMs)]))
      .catch((error: unknown) => this.#failed(reading, error))
      .finally(() => {
        side.opening = false;
        this.#schedule(reading);
      });
  }

  /** A place that is not kept begins silently at the first that is, and one beyond the end at the end. */
  async #open(reading: Reading, { offset }: Place, signal: AbortSignal): Promise<void> {
    const side = this.#side(reading);
    if (side.unchecked && (await this.#isOutside(reading, offset, signal))) return;
    side.unchecked = false;
    if (!this.#current(reading)) return;
    const { links } = this.#options;
    const cursor = await StreamCursor.open(
      await links.members(signal),
      side.queue,
      offset,
      {
        arrived: () => this.#schedule(reading),
        ended: (reason, cancelled) => this.#ended(reading, reason, cancelled),
      },
      signal,
    );
    if (this.#current(reading) && cursor.alive) side.cursor = cursor;
    else this.#close(cursor);
  }

  async #isOutside(reading: Reading, offset: number, signal: AbortSignal): Promise<boolean> {
    const [bounds] = await this.#options.ends.bounds([this.#side(reading).queue], signal);
    if (bounds === undefined || !this.#current(reading)) return false;
    const { first, end } = bounds;
    if (offset >= first.offset && offset <= end.offset) return false;
    this.#trimmed(reading, bounds);
    return true;
  }

  /** Soon, so that what arrives together is handed on together. */
  #schedule(reading: Reading): void {
    const side = this.#side(reading);
    if (side.scheduled) return;
    side.scheduled = true;
    queueMicrotask(() => {
      side.scheduled = false;
      this.#hand(reading);
    });
  }

  #hand(reading: Reading): void {
    const { cursor, opening } = this.#side(reading);
    const from = this.#readings.due(reading);
    if (from === undefined || opening) return;
    if (cursor === undefined) {
      this.#during(reading, (signal) => this.#open(reading, from, signal));
      return;
    }
    if (cursor.gap) {
      this.#during(reading, (signal) => this.#lookInto(reading, cursor, signal));
      return;
    }
    const records = cursor.take(fetchBytes);
    this.#readings.found(reading, records, {
      offset: cursor.next,
      time: records.at(-1)?.time ?? from.time,
    });
    if (records.length === 0 && !cursor.empty) this.#schedule(reading);
  }

  /** Retention passes a reader silently: it gets what is kept next. */
  async #lookInto(reading: Reading, cursor: StreamCursor, signal: AbortSignal): Promise<void> {
    const [bounds] = await this.#options.ends.bounds([this.#side(reading).queue], signal);
    if (!this.#current(reading) || this.#side(reading).cursor !== cursor) return;
    if (bounds !== undefined && bounds.first.offset > cursor.next) this.#trimmed(reading, bounds);
    else cursor.stepOver();
  }

  #trimmed(reading: Reading, bounds: Bounds): void {
    this.#leave(reading);
    this.#readings.trimmed(reading, bounds);
  }

  /** The broker ends who keeps messages for too long, and taking them is the only way to give them back. */
  #relieve(): void {
    const before = Date.now() - this.#options.holdMs / 2;
    for (const reading of this.#readings.all) {
      const { cursor } = this.#side(reading);
      cursor?.acknowledge();
      if ((cursor?.waitingSince ?? before) < before) this.#leave(reading);
    }
  }

  #leave(reading: Reading): void {
    const side = this.#side(reading);
    const { cursor } = side;
    side.cursor = undefined;
    if (cursor !== undefined) this.#close(cursor);
  }

  #close(cursor: StreamCursor): void {
    const closing = cursor.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }

  #ended(reading: Reading, reason: Error | undefined, cancelled: boolean): void {
    if (!this.#current(reading)) return;
    this.#side(reading).cursor = undefined;
    if (cancelled)
      this.#schedule(reading); // beginning again tells whether the stream is gone, or only moved
    else this.#failed(reading, reason);
  }

  #failed(reading: Reading, error: unknown): void {
    if (!this.#current(reading) || this.#over.signal.aborted) return;
    this.#options.events.failed(classify(error, `read '${this.#side(reading).queue}'`));
  }
}
