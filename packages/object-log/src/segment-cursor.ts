import type { LogRecord } from '@duobus/core/driver';
import type { StoredObject } from './object-store.ts';
import { decodeHead, decodeRecord, type SegmentHead, type Span, spansOf } from './segment-codec.ts';

/** Hands out the records of a segment, some at a time. */
export class SegmentCursor {
  readonly #object: StoredObject;
  readonly #head: SegmentHead;
  readonly #spans: Iterator<Span>;
  #waiting: Span | undefined;

  /** From an offset within the segment on. `partial`: what was fetched is only its beginning. */
  constructor(object: StoredObject, from: number, partial = false) {
    this.#object = object;
    this.#head = decodeHead(object.body);
    this.#spans = spansOf(object.body, partial, this.#head);
    do this.#step();
    while (this.#waiting !== undefined && this.#waiting.offset < from);
  }

  get end(): number {
    return this.#head.end;
  }

  get isDone(): boolean {
    return this.#waiting === undefined;
  }

  /** About `maxBytes`, at least one if there is one. No time is before `since`. */
  take(maxBytes: number, since: number): LogRecord[] {
    const records: LogRecord[] = [];
    let bytes = 0;
    let last = since;
    while (this.#waiting !== undefined) {
      const { offset, time, from, to } = this.#waiting;
      bytes += to - from;
      if (records.length > 0 && bytes > maxBytes) break;
      // clocks of the store's machines differ a little
      last = Math.max(last, time || this.#object.at);
      const { key, headers, body } = decodeRecord(this.#object.body, this.#waiting);
      records.push({ key, headers, body, offset, time: last });
      this.#step();
    }
    return records;
  }

  #step(): void {
    const { done, value } = this.#spans.next();
    this.#waiting = done === true ? undefined : value;
  }
}
