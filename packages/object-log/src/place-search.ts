import type { Place } from '@duobus/core/driver';
import type { StoredObject } from './object-store.ts';
import type { PartitionLog } from './partition-log.ts';
import { type Batch, decodeBatches, decodeHead, type SegmentHead } from './segment-codec.ts';

/** Enough for the tables of nearly all segments. */
const tableBytes = 8_192;

export interface SegmentTable {
  readonly head: SegmentHead;
  readonly batches: readonly Batch[];
}

/**
 * The first record appended at `timeMs` or later, else the end. The store's times may be rounded down, and the clocks of its
 * machines differ: `granularityMs` is what both come to, and so much a place may be early, so that it is never late. (Were
 * times compared as they are, a segment whose time is a little lower than that of the one before would hide it.)
 */
export async function placeAt(
  log: PartitionLog,
  timeMs: number,
  granularityMs: number,
  signal: AbortSignal,
): Promise<Place> {
  const { first, end } = await log.bounds(signal);
  const earliest = timeMs - granularityMs;
  let low = first.offset;
  let high: Place = end;
  while (low < high.offset) {
    const middle = Math.floor((low + high.offset) / 2);
    const table = await tableAt(log, middle, signal);
    // retention has passed it
    if (table === undefined) {
      low = middle + 1;
      continue;
    }
    const later = table.batches.find(({ time }) => time >= earliest);
    if (later === undefined) low = table.head.end;
    else {
      const found = { offset: Math.max(low, later.first), time: later.time };
      if (found.offset < high.offset) high = found;
      // what is before it in the same segment is earlier
      if (later !== table.batches[0]) return high;
    }
  }
  return high;
}

/** The table of the segment that holds an offset, with its times filled in. */
async function tableAt(
  log: PartitionLog,
  offset: number,
  signal: AbortSignal,
): Promise<SegmentTable | undefined> {
  for (;;) {
    const listed = await log.listedAt(offset, signal);
    if (listed === undefined) return undefined;
    const found = await readTable(log, listed.key, signal);
    if (found !== undefined) return found;
  }
}

/** The table of a segment, with its times filled in. */
export async function readTable(
  { store }: PartitionLog,
  key: string,
  signal: AbortSignal,
): Promise<SegmentTable | undefined> {
  const found = await store.get(key, signal, tableBytes);
  if (found === undefined) return undefined;
  const { recordsAt } = decodeHead(found.body);
  if (recordsAt <= tableBytes) return tableOf(found);
  const longer = await store.get(key, signal, recordsAt);
  return longer && tableOf(longer);
}

/** The same of a segment that has been fetched. */
export function tableOf({ body, at }: StoredObject): SegmentTable {
  const head = decodeHead(body);
  const batches = decodeBatches(body, head).map((batch) => ({ ...batch, time: batch.time || at }));
  return { head, batches };
}
