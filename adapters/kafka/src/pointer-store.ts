import { BusError, type StoredPointer } from '@duobus/core/driver';
import type { Broker } from './client.ts';
import { byTopic, type GroupShares } from './group-shares.ts';

/** Kafka's offset.metadata.max.bytes counts characters, 4,096 unless changed. */
export const mostText = 4_096;
/** Explicit, and so long that it is for ever: else the offsets of a group without members go after seven days. */
const keepForMs = 10 * 365 * 86_400_000;

export interface PointerToWrite {
  readonly partition: number;
  readonly pointer: StoredPointer;
}

/** Who commits: a member under its generation, or nobody for a group that has no members. */
export interface Committer {
  readonly memberId: string;
  readonly generation: number;
}

export const nobody: Committer = { memberId: '', generation: -1 };

type Places = Pick<GroupShares, 'at'>;

/** The stored pointers of these partitions, `undefined` where there is none. */
export async function fetchPointers(
  broker: Broker,
  groupId: string,
  places: Places,
  partitions: readonly number[],
): Promise<readonly (StoredPointer | undefined)[]> {
  const asked = byTopic(partitions, (partition) => places.at(partition));
  if (asked.length === 0) return []; // Kafka takes no topics for all topics
  const { responses } = await broker.offsetFetch({
    groupId,
    topics: asked.map(({ topic, items }) => ({
      topic,
      partitions: items.map((number) => ({ partition: places.at(number).partition })),
    })),
  });
  const stored = new Map<string, StoredPointer>();
  for (const { topic, partitions: answers } of responses) {
    for (const { partition, offset, metadata } of answers) {
      if (Number(offset) >= 0)
        stored.set(`${partition}:${topic}`, {
          place: { offset: Number(offset), time: 0 },
          text: metadata ?? '',
        });
    }
  }
  return partitions.map((number) => {
    const { topic, partition } = places.at(number);
    return stored.get(`${partition}:${topic}`);
  });
}

/** One request, so that the broker takes all or nothing under one generation. */
export async function commitPointers(
  broker: Broker,
  groupId: string,
  places: Places,
  { memberId, generation }: Committer,
  writes: readonly PointerToWrite[],
): Promise<void> {
  await broker.offsetCommit({
    groupId,
    memberId,
    groupGenerationId: generation,
    retentionTime: keepForMs,
    topics: byTopic(writes, ({ partition }) => places.at(partition)).map(({ topic, items }) => ({
      topic,
      partitions: items.map(({ partition, pointer }) => ({
        partition: places.at(partition).partition,
        offset: offsetText(pointer),
        metadata: pointer.text,
      })),
    })),
  });
}

/** Kafka itself takes negative offsets and too long texts, and keeps part of a request that has one. */
export function checkPointer({ place: { offset }, text }: StoredPointer, partition: number): void {
  if (!Number.isSafeInteger(offset) || offset < 0)
    throw new BusError(
      'DUOBUS_INVALID',
      `the pointer of partition ${partition} has the offset ${offset}, which is not a place in a log`,
    );
  if (text.length > mostText)
    throw new BusError(
      'DUOBUS_TOO_LARGE',
      `the pointer of partition ${partition} has ${text.length} characters, Kafka keeps ${mostText}`,
    );
}

function offsetText({ place }: StoredPointer): string {
  return String(place.offset);
}
