import type { StoredTopic } from '@duobus/core/driver';
import type { ListedSegment } from './listed-segments.ts';
import type { PartitionLog } from './partition-log.ts';
import { readTable } from './place-search.ts';
import { decodeHead, headBytes } from './segment-codec.ts';

/** The first offset to be kept: at least `maxBytes` are, and what is not older than `maxAgeMs`. `segments`: newest first,
 *  all of them; `now`: by the store's clock, rounded down by less than `granularityMs`, as its times are. */
export async function firstKept(
  log: PartitionLog,
  { maxAgeMs, maxBytes }: StoredTopic['retention'],
  segments: readonly ListedSegment[],
  now: number,
  granularityMs: number,
  signal: AbortSignal,
): Promise<number> {
  const bySize = maxBytes === null ? 0 : firstWithin(segments, maxBytes);
  if (maxAgeMs === null) return bySize;
  const byAge = await firstSince(log, segments, now - maxAgeMs - granularityMs, signal);
  return Math.max(bySize, byAge);
}

/** Deletes what is below `start` and has had a successor for long enough (see PartitionEnd): one after the other, the oldest
 *  first, up to the first that has to stay for now, so that there is never a hole behind a segment. What a segment holds is
 *  asked of the segment itself: of one that compaction has made the listing does not tell, while others are still there that
 *  it replaces; these go without it. Resolves to whether everything below is gone. */
export async function deleteBelow(
  { store }: PartitionLog,
  start: number,
  segments: readonly ListedSegment[],
  supersededBefore: number,
  signal: AbortSignal,
): Promise<boolean> {
  const below = segments.filter(({ until }) => until !== undefined && until <= start);
  for (const { key, supersededAt } of below.toReversed()) {
    if (supersededAt > supersededBefore) return false;
    const found = await store.get(key, signal, headBytes);
    if (found === undefined || decodeHead(found.body).end > start) continue;
    if ((await store.remove(key, { etag: found.etag }, signal)) === 'conflict') return false;
  }
  return true;
}

function firstWithin(segments: readonly ListedSegment[], maxBytes: number): number {
  let bytes = 0;
  for (const { first, size } of segments) {
    bytes += size;
    if (bytes >= maxBytes) return first;
  }
  return 0;
}

/** The first offset of a segment whose last record is not older. Only a segment that compaction has made has records that
 *  are older than itself. */
async function firstSince(
  log: PartitionLog,
  segments: readonly ListedSegment[],
  earliest: number,
  signal: AbortSignal,
): Promise<number> {
  for (const { key, first, until, at } of segments.toReversed()) {
    const isNewest = until === undefined;
    if (at < earliest && !isNewest) continue;
    const table = await readTable(log, key, signal);
    const last = table?.batches.at(-1)?.time ?? at;
    if (table === undefined || last >= earliest) return first;
    if (isNewest) return table.head.end;
  }
  return 0;
}
