import type { PartitionLog } from './partition-log.ts';

/**
 * Whether a segment that was written with an idea of the end that was too old by then, as its process had stood still, is in
 * a hole: below the beginning, or where compaction has taken the records from that belong there.
 */
export async function isInHole(
  log: PartitionLog,
  first: number,
  signal: AbortSignal,
): Promise<boolean> {
  if ((await log.start(signal)) > first) return true;
  if (first === 0) return false;
  const before = await log.listedAt(first - 1, signal);
  if (before === undefined) return true;
  const head = await log.end.headAt(log.paths.firstOf(before.key), signal);
  return head?.end !== first;
}
