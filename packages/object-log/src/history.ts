import {
  abortable,
  Bell,
  type LogRecord,
  type Place,
  type ReadResult,
  systemClock,
} from '@duobus/core/driver';
import { parseAppended } from './log-channel.ts';
import type { PartitionLog } from './partition-log.ts';
import { decodeHead } from './segment-codec.ts';
import { SegmentCursor } from './segment-cursor.ts';
import { SegmentSource } from './segment-source.ts';

export interface ReadLimits {
  readonly maxBytes: number;
  readonly maxWaitMs: number;
}

/** So many readings may be gone on with: each holds some segments. */
const mostKept = 4;
const keptMs = 10_000;
/** Who asks for less wants a record or two, and need not get the whole segment. */
const fewBytes = 65_536;

/** Reads without a group. Who reads on where the last read has ended gets what was fetched ahead. */
export class History {
  readonly #kept = new Map<string, SegmentSource>();
  #forgetting: (() => void) | undefined;
  #closed = false;

  async read(
    log: PartitionLog,
    from: Place,
    maxBytes: number,
    signal: AbortSignal,
  ): Promise<ReadResult> {
    const looking = log.start(signal);
    looking.catch(() => undefined); // looked at below
    const peeked = maxBytes < fewBytes ? await this.#peek(log, from, maxBytes, signal) : undefined;
    if (peeked !== undefined) {
      if ((await looking) <= from.offset) return peeked;
      throw log.gone(from, await log.bounds(signal));
    }
    const source = this.#take(log, from);
    const { records, next, state } = await source.take(maxBytes, true, signal);
    const start = await looking;
    if (state === 'gone' && records.length === 0) {
      const bounds = await log.bounds(signal);
      const { first, end } = bounds;
      if (from.offset >= first.offset && from.offset <= end.offset) throw log.missing(from.offset);
      throw log.gone(from, bounds);
    }
    if (start > from.offset) throw log.gone(from, await log.bounds(signal));
    if (state === 'more') this.#keep(log, source);
    return { records, next, atEnd: state === 'end' };
  }

  /** As `read`; where there is nothing it waits for a bell. When none has rung nothing is asked: who waits reads again, and
   *  finds what a bell that was lost would have told. */
  async wait(
    log: PartitionLog,
    from: Place,
    { maxBytes, maxWaitMs }: ReadLimits,
    listen: (onRing: (message: string) => void) => () => void,
    signal: AbortSignal,
  ): Promise<ReadResult> {
    const bell = new Bell();
    let over = false;
    let rung = false;
    const ring = (): void => {
      rung = true;
      bell.ring();
    };
    const cancel = systemClock.after(maxWaitMs, () => {
      over = true;
      bell.ring();
    });
    const hush = listen((message) => {
      const appended = parseAppended(message);
      const isNews = appended?.partition === log.partition && appended.end > from.offset;
      if (message === '' || isNews) ring();
    });
    try {
      for (;;) {
        await abortable(bell.wait(), signal);
        if (!rung) return { records: [], next: from, atEnd: true };
        rung = false;
        const found = await this.read(log, from, maxBytes, signal);
        if (found.records.length > 0 || over) return found;
      }
    } finally {
      cancel();
      hush();
    }
  }

  close(): void {
    this.#closed = true;
    this.#kept.clear();
    this.#forgetting?.();
  }

  /** A few records from the beginning of a segment, if it begins there. */
  async #peek(
    log: PartitionLog,
    from: Place,
    maxBytes: number,
    signal: AbortSignal,
  ): Promise<ReadResult | undefined> {
    const key = log.paths.segment(from.offset);
    const object = await log.store.get(key, signal, fewBytes);
    if (object === undefined) return undefined;
    // its table is longer than that
    if (decodeHead(object.body).recordsAt > object.body.length) return undefined;
    const cursor = new SegmentCursor(object, from.offset, true);
    const records: readonly LogRecord[] = cursor.take(maxBytes, from.time);
    const last = records.at(-1);
    if (last === undefined) return undefined;
    return { records, next: { offset: last.offset + 1, time: last.time }, atEnd: false };
  }

  #take(log: PartitionLog, from: Place): SegmentSource {
    const key = keyOf(log, from.offset);
    const source = this.#kept.get(key) ?? new SegmentSource(log, from);
    this.#kept.delete(key);
    return source;
  }

  #keep(log: PartitionLog, source: SegmentSource): void {
    if (this.#closed) return;
    this.#kept.set(keyOf(log, source.next), source);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > mostKept && oldest !== undefined) this.#kept.delete(oldest);
    this.#forgetting?.();
    this.#forgetting = systemClock.after(keptMs, () => this.#kept.clear());
  }
}

const keyOf = ({ paths }: PartitionLog, offset: number): string => paths.segment(offset);
