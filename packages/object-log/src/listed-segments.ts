import type { ListedObject } from './object-store.ts';
import type { PartitionLog } from './partition-log.ts';

/** A segment as a listing shows it. */
export interface ListedSegment extends ListedObject {
  readonly first: number;
  /** Where the one after it begins. What it holds beyond that is there a second time (see compaction.ts). `undefined`: it
   *  is the newest. */
  readonly until: number | undefined;
  /** When the one after it was written, or written anew; later than now where there is none. */
  readonly supersededAt: number;
}

/** The segments of a partition, newest first, for as long as more are asked for. */
export async function* listSegments(
  { store, paths }: PartitionLog,
  signal: AbortSignal,
): AsyncGenerator<ListedSegment> {
  let until: number | undefined;
  let supersededAt = Number.POSITIVE_INFINITY;
  for (let after: string | undefined; ; ) {
    const options = after === undefined ? {} : { after };
    const { objects, more } = await store.list(paths.log, options, signal);
    for (const object of objects) {
      const first = paths.firstOf(object.key);
      yield { ...object, first, until, supersededAt };
      until = first;
      supersededAt = object.at;
    }
    after = objects.at(-1)?.key;
    if (!more || after === undefined) return;
  }
}
