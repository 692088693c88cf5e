import type { Place } from '@duobus/core/driver';
import { type Moment, moment, msSince } from './moment.ts';
import type { ObjectStore } from './object-store.ts';
import type { PartitionPaths } from './paths.ts';
import { decodeHead, headBytes, type SegmentHead } from './segment-codec.ts';

/** A segment's head, with the time its object was written. */
export interface SeenSegment extends SegmentHead {
  readonly at: number;
}

/** Following further costs more than a listing. */
const mostSteps = 4;

/**
 * Where a partition ends, as this process knows it. A segment goes to the end by a write that asks for the key to be free,
 * so an idea of the end that is old is harmless, but for one thing: keys become free again when segments are deleted, and
 * what is written to such a hole is lost. Hence two rules.
 *
 * 1. An idea of the end is used for `trustMs` (5 min). Then the newest segment is listed.
 * 2. A segment is deleted only when it has had a successor for `deleteAfterMs` (30 min) by the store's clock, and the newest
 *    never (see log-keeper.ts, compaction.ts).
 *
 * Say that at a time t the partition ended at E. Whatever is at E or beyond was written after t, so it got its successor
 * after t, so it is there until t + 30 min at least. Until then a key E that is free says that E is the end still, and a
 * write to E succeeds only if it is: nothing is put into a hole. A write begins before t + 5 min by rule 1, and the store
 * must not carry it out more than 15 min after it was sent (S3 refuses what was signed earlier): that is t + 20 min.
 * By the same reasoning, looking whether a key is free renews an idea of the end, and heads can be followed from it.
 *
 * A process that stands still after it has looked at its clock and before the write is signed can break rule 1. When it goes
 * on it sees that, and looks whether what it has written is in a hole (see hole-check.ts).
 */
export class PartitionEnd {
  readonly #store: ObjectStore;
  readonly #paths: PartitionPaths;
  readonly #trustMs: number;
  #known: { readonly offset: number; readonly asOf: Moment } | undefined;
  /** The newest time seen: of the last segment or an earlier one. */
  #time = 0;

  constructor(store: ObjectStore, paths: PartitionPaths, trustMs: number) {
    this.#store = store;
    this.#paths = paths;
    this.#trustMs = trustMs;
  }

  /** What may be used still; `undefined`: it has to be located. */
  get trusted(): number | undefined {
    const known = this.#known;
    return known !== undefined && msSince(known.asOf) <= this.#trustMs ? known.offset : undefined;
  }

  /** It does not end before: that is so however old it is. */
  get least(): number {
    return this.#known?.offset ?? 0;
  }

  /** When it was known to end there. */
  get asOf(): Moment {
    return this.#known?.asOf ?? moment();
  }

  /** What is known is too old. */
  forget(): void {
    this.#known = undefined;
  }

  get time(): number {
    return this.#time;
  }

  /** It ended at `offset` at that moment. */
  confirm(offset: number, asOf: Moment): void {
    const known = this.#known;
    // what is told late is not news
    if (known !== undefined && known.offset > offset) return;
    if (known?.offset === offset && known.asOf.steady > asOf.steady) return;
    this.#known = { offset, asOf };
  }

  /** There is a segment where it was thought to end, or a later one: it ends not before `end`. When it did is as unknown as
   *  before. */
  passed({ end, at }: SeenSegment): void {
    this.#time = Math.max(this.#time, at);
    if (this.#known !== undefined && this.#known.offset < end)
      this.#known = { offset: end, asOf: this.#known.asOf };
  }

  /** The end as it is now. */
  async locate(signal: AbortSignal): Promise<Place> {
    for (let steps = 0; steps < mostSteps; steps += 1) {
      const offset = this.trusted;
      if (offset === undefined) break;
      const asOf = moment();
      const found = await this.headAt(offset, signal);
      if (found === undefined) {
        this.confirm(offset, asOf);
        return { offset, time: this.#time };
      }
      this.passed(found);
    }
    return this.#list(signal);
  }

  /** The head of the segment that begins there, if one does. */
  async headAt(first: number, signal: AbortSignal): Promise<SeenSegment | undefined> {
    const key = this.#paths.segment(first);
    const found = await this.#store.get(key, signal, headBytes);
    return found && { ...decodeHead(found.body), at: found.at };
  }

  async #list(signal: AbortSignal): Promise<Place> {
    for (;;) {
      const asOf = moment();
      const { objects } = await this.#store.list(this.#paths.log, { limit: 1 }, signal);
      const [newest] = objects;
      const found = newest && (await this.headAt(this.#paths.firstOf(newest.key), signal));
      // the newest is never deleted: what is gone again was not the newest any more
      if (newest !== undefined && found === undefined) continue;
      const offset = found?.end ?? 0;
      this.#time = Math.max(this.#time, found?.at ?? 0);
      this.confirm(offset, asOf);
      return { offset, time: this.#time };
    }
  }
}
