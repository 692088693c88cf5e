import { type Bounds, BusError, type Place, type StoredTopic } from '@duobus/core/driver';
import { type Moment, moment } from './moment.ts';
import type { ListedObject, ObjectStore, StoredObject } from './object-store.ts';
import { PartitionEnd } from './partition-end.ts';
import { PartitionPaths } from './paths.ts';
import { startOf } from './partition-start.ts';

/** What there is at an offset. */
export type Found =
  | { readonly object: StoredObject }
  /** It is the place after the last record. */
  | 'end'
  /** It is before the first segment there is, or beyond the end. */
  | 'nothing';

/** One partition as this process reaches it. */
export class PartitionLog {
  readonly topic: StoredTopic;
  readonly partition: number;
  readonly store: ObjectStore;
  readonly paths: PartitionPaths;
  readonly end: PartitionEnd;

  constructor(
    store: ObjectStore,
    root: string,
    topic: StoredTopic,
    partition: number,
    trustMs: number,
  ) {
    this.topic = topic;
    this.partition = partition;
    this.store = store;
    this.paths = new PartitionPaths(root, topic, partition);
    this.end = new PartitionEnd(store, this.paths, trustMs);
  }

  /** The first offset that is kept: what is before may be there still, and does not count. */
  async start(signal: AbortSignal): Promise<number> {
    return startOf(await this.store.get(this.paths.start, signal));
  }

  async bounds(signal: AbortSignal): Promise<Bounds> {
    // in this order: both only grow, and the log begins not after its end
    const start = await this.start(signal);
    let end = await this.end.locate(signal);
    if (start > end.offset) {
      // what was known of the end was wrong
      this.end.forget();
      end = await this.end.locate(signal);
    }
    return { first: start >= end.offset ? end : { offset: start, time: 0 }, end };
  }

  /** The segment that holds an offset, whole. */
  async segmentAt(offset: number, signal: AbortSignal): Promise<Found> {
    const asOf = moment();
    const object = await this.store.get(this.paths.segment(offset), signal);
    if (object !== undefined) return { object };
    if (this.end.trusted === offset) {
      this.end.confirm(offset, asOf);
      return 'end';
    }
    return this.#covering(offset, signal);
  }

  /** The newest segment that begins at an offset or before. */
  listedAt(offset: number, signal: AbortSignal): Promise<ListedObject | undefined> {
    return this.#firstListed({ after: this.paths.segment(offset + 1) }, signal);
  }

  gone({ offset }: Place, { first, end }: Bounds): BusError {
    const { topic, partition } = this;
    return new BusError(
      'DUOBUS_POSITION_GONE',
      `partition ${partition} of topic '${topic.name}' holds records from ${first.offset} to before ${end.offset}, not ${offset}`,
      {
        context: {
          topic: topic.name,
          partition,
          offset,
          first: first.offset,
          end: end.offset,
        },
      },
    );
  }

  /** Should not be: somebody has removed objects. */
  missing(offset: number): BusError {
    const { topic, partition, paths } = this;
    return new BusError(
      'DUOBUS_UNAVAILABLE',
      `partition ${partition} of topic '${topic.name}' has no segment with record ${offset}, which is between its beginning and its end: restore what was removed below ${paths.log}, or reset the groups to what is there`,
      { retryable: true, context: { topic: topic.name, partition, offset } },
    );
  }

  async #firstListed(
    from: { readonly after?: string },
    signal: AbortSignal,
  ): Promise<ListedObject | undefined> {
    const { objects } = await this.store.list(this.paths.log, { ...from, limit: 1 }, signal);
    return objects[0];
  }

  /**
   * Nothing begins at the offset: it is within a segment, by compaction or from the beginning, or the end, or in a hole that
   * retention has made. It is the end only if what is before it is the newest segment: so that is listed, unless it is known
   * that the log goes on.
   */
  async #covering(offset: number, signal: AbortSignal): Promise<Found> {
    for (;;) {
      const asOf: Moment = moment();
      const goesOn = offset < this.end.least;
      const newest = goesOn ? undefined : await this.#firstListed({}, signal);
      const isBeyond = newest !== undefined && this.paths.firstOf(newest.key) > offset;
      const listed = goesOn || isBeyond ? await this.listedAt(offset, signal) : newest;
      if (listed === undefined) {
        if (offset > 0 || goesOn || isBeyond) return 'nothing';
        this.end.confirm(0, asOf);
        return 'end';
      }
      const head = await this.end.headAt(this.paths.firstOf(listed.key), signal);
      if (head !== undefined && head.end < offset) return 'nothing';
      if (head?.end === offset) {
        if (listed !== newest) return 'nothing';
        this.end.confirm(offset, asOf);
        return 'end';
      }
      // what compaction has put into another one meanwhile is looked for again
      const object = head && (await this.store.get(listed.key, signal));
      if (object !== undefined) return { object };
    }
  }
}
