import type { Lag, PartitionLag, Positions } from '../data-bus.ts';
import type { Bounds, LogDriver, StoredPointer, StoredTopic } from '../driver.ts';
import { BusError } from '../errors.ts';
import { formatPosition } from '../position.ts';
import type { Half } from './half.ts';
import { decodePointer } from './pointer.ts';

/** D11: how far a group is behind. */
export async function lagOf(
  half: Half<LogDriver>,
  topic: StoredTopic,
  group: string,
  now: number,
): Promise<Lag> {
  const pointers = await storedPointers(half, topic, group);
  const bounds = await half.link.request((signal) => half.driver.bounds(topic, signal));
  const partitions = await Promise.all(
    pointers.map((pointer, partition) =>
      lagIn(half, topic, partition, pointer, bounds[partition] as Bounds, now),
    ),
  );
  return {
    records: partitions.reduce((sum, { records }) => sum + records, 0),
    ms: partitions.reduce((most, { ms }) => Math.max(most, ms), 0),
    partitions,
  };
}

export async function positionsOf(
  half: Half<LogDriver>,
  topic: StoredTopic,
  group: string,
): Promise<Positions> {
  const pointers = await storedPointers(half, topic, group);
  const { placeNeedsTime } = half.driver.capabilities;
  return Object.fromEntries(
    pointers.flatMap((pointer, partition) =>
      pointer === undefined
        ? []
        : [
            [
              partition,
              formatPosition(topic.incarnation, partition, pointer.place, placeNeedsTime),
            ],
          ],
    ),
  );
}

/** @throws BusError DUOBUS_NOT_FOUND for a group that has never had a pointer. */
export async function storedPointers(
  { link, driver }: Half<LogDriver>,
  topic: StoredTopic,
  group: string,
  signal?: AbortSignal,
): Promise<readonly (StoredPointer | undefined)[]> {
  const pointers = await link.request((inner) => driver.pointers(topic, group, inner), { signal });
  if (pointers.some((pointer) => pointer !== undefined)) return pointers;
  throw new BusError(
    'DUOBUS_NOT_FOUND',
    `topic '${topic.name}' has no group '${group}': it is made by the first subscribe`,
    { context: { topic: topic.name, group } },
  );
}

async function lagIn(
  { link, driver }: Half<LogDriver>,
  topic: StoredTopic,
  partition: number,
  stored: StoredPointer | undefined,
  { first, end }: Bounds,
  now: number,
): Promise<PartitionLag> {
  const pointer = stored === undefined ? undefined : decodePointer(stored, topic.partitions);
  const next = pointer === undefined || pointer.next.offset < first.offset ? first : pointer.next;
  let records = Math.max(0, end.offset - next.offset);
  for (const offset of pointer?.done ?? [])
    if (offset >= next.offset && offset < end.offset) records -= 1;
  if (records === 0) return { partition, records, ms: 0 };
  try {
    const { records: found } = await link.request((signal) =>
      driver.read(topic, partition, next, { maxBytes: 1, maxWaitMs: 0 }, signal),
    );
    const [record] = found;
    return record === undefined
      ? { partition, records: 0, ms: 0 }
      : { partition, records, ms: Math.max(0, now - record.time) };
  } catch (error) {
    // Trimmed between the two requests: what is gone is not behind.
    if (BusError.is(error, 'DUOBUS_POSITION_GONE')) return { partition, records: 0, ms: 0 };
    throw error;
  }
}
