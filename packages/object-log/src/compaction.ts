import { inParallel } from '@duobus/core/driver';
import { randomBytes } from 'node:crypto';
import type { ListedSegment } from './listed-segments.ts';
import type { StoredObject } from './object-store.ts';
import type { PartitionLog } from './partition-log.ts';
import { tableOf } from './place-search.ts';
import { type Batch, decodeHead, decodeRecord, encodeSegment, spansOf } from './segment-codec.ts';

/*
 * Runs of small segments become one: it is written at the key of the first of them, if that has not changed, and then the
 * others are deleted, in the order of their offsets, each if it has not changed, up to the first that has.
 *
 * At any moment, also when this process dies in between, or two do it at once, every segment has all records from its first
 * up to the first of the next one that is listed: that is all that readers rely on. What a segment has beyond that is there
 * a second time, and the same; who wants to delete a segment has to look how far it reaches.
 *
 * All of a run have had a successor for as long as PartitionEnd asks for: none is the newest, and no writer can hit a hole.
 */

/** A segment as large as that is not worth it any more. */
const fullBytes = 1_048_576;
const smallBytes = fullBytes / 2;
/** A run of so many is worth it however small they are. */
const manySegments = 100;
const atOnce = 8;

/** Compacts `listed`, which are in the order of their offsets, up to the first that is no neighbour of the one before: what
 *  lies between would be lost. Resolves to where the next time has to begin. `newestOnly`: only the newest record of every
 *  key is needed. */
export async function compact(
  log: PartitionLog,
  listed: readonly ListedSegment[],
  newestOnly: boolean,
  signal: AbortSignal,
): Promise<number | undefined> {
  const gap = listed.findIndex(({ first }, at) => at > 0 && first !== listed[at - 1]?.until);
  const segments = gap < 0 ? listed : listed.slice(0, gap);
  let run: ListedSegment[] = [];
  let bytes = 0;
  for (const segment of segments) {
    const isSmall = segment.size <= smallBytes;
    if (isSmall && bytes + segment.size <= fullBytes) {
      run.push(segment);
      bytes += segment.size;
      if (run.length < manySegments) continue;
    }
    if (run.length > 1) await merge(log, run, newestOnly, signal);
    if (!isSmall) await dropDoubles(log, segment, segments, signal);
    const added = run.includes(segment);
    run = isSmall && !added ? [segment] : [];
    bytes = isSmall && !added ? segment.size : 0;
  }
  return run[0]?.first ?? segments.at(-1)?.until;
}

async function merge(
  log: PartitionLog,
  run: readonly ListedSegment[],
  newestOnly: boolean,
  signal: AbortSignal,
): Promise<void> {
  const { store } = log;
  const objects = await inParallel(run, atOnce, ({ key }) => store.get(key, signal));
  // somebody else is at it
  if (objects.some((object, at) => object?.etag !== run[at]?.etag)) return;
  if (hasGap(objects as readonly StoredObject[])) return;
  const merged = mergeSegments(objects as readonly StoredObject[], newestOnly);
  const [head, ...others] = run as readonly [ListedSegment, ...ListedSegment[]];
  const put = await store.put(head.key, merged, { etag: head.etag }, signal);
  if (put === 'conflict') return;
  for (const { key, etag } of others)
    if ((await store.remove(key, { etag }, signal)) === 'conflict') return;
}

/** Whether records are missing between them: what comes after a gap is not to be found from what comes before. */
function hasGap(objects: readonly StoredObject[]): boolean {
  let reached = Number.POSITIVE_INFINITY;
  for (const { body } of objects) {
    const { first, end } = decodeHead(body);
    if (first > reached) return true;
    reached = reached === Number.POSITIVE_INFINITY ? end : Math.max(reached, end);
  }
  return false;
}

/** What a compaction that was interrupted has left. */
async function dropDoubles(
  { store, end }: PartitionLog,
  { first, until }: ListedSegment,
  segments: readonly ListedSegment[],
  signal: AbortSignal,
): Promise<void> {
  const head = await end.headAt(first, signal);
  if (head === undefined || until === undefined || head.end <= until) return;
  for (const other of segments) {
    if (other.first <= first) continue;
    if (other.until === undefined || other.until > head.end) return;
    const { key, etag } = other;
    if ((await store.remove(key, { etag }, signal)) === 'conflict') return;
  }
}

/** One segment with the records of all: of those that are there twice once. */
export function mergeSegments(objects: readonly StoredObject[], newestOnly: boolean): Uint8Array {
  const newest = newestOnly ? newestOffsets(objects) : undefined;
  const records: Uint8Array[] = [];
  const batches: { first: number; count: number; time: number }[] = [];
  const first = tableOf(objects[0] as StoredObject).head.first;
  let next = first;
  let end = first;
  for (const object of objects) {
    const { head } = tableOf(object);
    end = Math.max(end, head.end);
    for (const span of spansOf(object.body)) {
      if (span.offset < next) continue;
      next = span.offset + 1;
      if (newest !== undefined) {
        const { key } = decodeRecord(object.body, span);
        if (key !== undefined && newest.get(key) !== span.offset) continue;
      }
      records.push(object.body.subarray(span.from, span.to));
      addTo(batches, span.offset, span.time || object.at);
    }
  }
  const nonce = randomBytes(16).toString('hex');
  return encodeSegment({ first, end, nonce, batches, records });
}

function addTo(
  batches: { first: number; count: number; time: number }[],
  offset: number,
  time: number,
): void {
  const last: Batch | undefined = batches.at(-1);
  if (last !== undefined && last.time === time && last.first + last.count === offset)
    batches[batches.length - 1] = { ...last, count: last.count + 1 };
  else batches.push({ first: offset, count: 1, time });
}

function newestOffsets(objects: readonly StoredObject[]): ReadonlyMap<string, number> {
  const newest = new Map<string, number>();
  for (const { body } of objects)
    for (const span of spansOf(body)) {
      const { key } = decodeRecord(body, span);
      if (key !== undefined) newest.set(key, Math.max(span.offset, newest.get(key) ?? 0));
    }
  return newest;
}
