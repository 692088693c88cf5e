import type { LogRecord, Place } from '@duobus/core/driver';
import type { PartitionLog } from './partition-log.ts';
import { SegmentCursor } from './segment-cursor.ts';
import { SegmentsAhead } from './segments-ahead.ts';

export interface Taken {
  readonly records: readonly LogRecord[];
  readonly next: Place;
  /** 'gone': there is nothing at that place, nor is it the end. */
  readonly state: 'more' | 'end' | 'gone';
}

/** Reads a partition from a place on. */
export class SegmentSource {
  readonly #log: PartitionLog;
  readonly #ahead: SegmentsAhead;
  #next: Place;
  #cursor: SegmentCursor | undefined;

  constructor(log: PartitionLog, from: Place) {
    this.#log = log;
    this.#ahead = new SegmentsAhead(log);
    this.#next = from;
  }

  get next(): number {
    return this.#next.offset;
  }

  /** About `maxBytes`. `patient`: not less, unless the end comes before; otherwise what is there already is not kept
   *  waiting for more. One call at a time. */
  async take(maxBytes: number, patient: boolean, signal: AbortSignal): Promise<Taken> {
    const records: LogRecord[] = [];
    let bytes = 0;
    for (;;) {
      if (this.#cursor !== undefined) {
        const found = this.#cursor.take(maxBytes - bytes, this.#next.time);
        for (const record of found) {
          bytes += record.body?.length ?? 0;
          records.push(record);
        }
        const last = found.at(-1) ?? { time: this.#next.time, offset: this.#next.offset - 1 };
        const { isDone, end } = this.#cursor;
        this.#next = { offset: isDone ? end : last.offset + 1, time: last.time };
        if (isDone) this.#cursor = undefined;
      }
      const enough = bytes >= maxBytes || this.#cursor !== undefined;
      const instant = patient || this.#ahead.has(this.#next.offset);
      if (records.length > 0 && (enough || !instant))
        return { records, next: this.#next, state: 'more' };
      const state = await this.#fetch(signal);
      if (state !== 'more') return { records, next: this.#next, state };
    }
  }

  /** What comes next is not there yet, as far as is known. */
  rest(): void {
    this.#ahead.atEnd();
  }

  async #fetch(signal: AbortSignal): Promise<'more' | 'end' | 'gone'> {
    const { offset } = this.#next;
    let object = await this.#ahead.take(offset, signal);
    if (object === undefined) {
      const found = await this.#log.segmentAt(offset, signal);
      if (found === 'end') this.#ahead.atEnd();
      else this.#ahead.clear();
      if (found === 'end') return 'end';
      if (found === 'nothing') return 'gone';
      ({ object } = found);
    }
    this.#cursor = new SegmentCursor(object, offset);
    await this.#ahead.passed(this.#cursor.end - offset, this.#cursor.end, signal);
    return 'more';
  }
}
