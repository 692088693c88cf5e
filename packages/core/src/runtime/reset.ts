import type { ResetMove, ResetOptions, ResetResult } from '../data-bus.ts';
import type { Bounds, LogDriver, Place, StoredPointer, StoredTopic } from '../driver.ts';
import { BusError } from '../errors.ts';
import { anyOf } from '../internal/abort.ts';
import { formatPosition } from '../position.ts';
import type { Link } from './link.ts';
import { decodePointer, encodePointer, newPointer } from './pointer.ts';
import { placesOf, type Start } from './starts.ts';

interface Reset {
  readonly driver: LogDriver;
  readonly link: Link;
  readonly topic: StoredTopic;
  readonly group: string;
  readonly to: Start;
  readonly options: ResetOptions;
  /** Of the bus. */
  readonly closed: AbortSignal;
}

/** D5: moves a group's pointers. All targets are checked before any pointer is touched. */
export async function resetGroup({
  driver,
  link,
  topic,
  group,
  to,
  options,
  closed,
}: Reset): Promise<ResetResult> {
  const { signal, dryRun = false, graceMs = 25_000 } = options;
  const before = await link.request((inner) => driver.pointers(topic, group, inner), { signal });
  if (before.every((pointer) => pointer === undefined)) {
    throw new BusError(
      'DUOBUS_NOT_FOUND',
      `reset: topic '${topic.name}' has no group '${group}': it is made by the first subscribe`,
      { context: { topic: topic.name, group } },
    );
  }
  const bounds = await link.request((inner) => driver.bounds(topic, inner), { signal });
  const targets = await placesOf(`reset '${group}'`, to, topic, bounds, link, driver, signal);
  const from = new Map<number, StoredPointer | undefined>(
    before.map((pointer, partition) => [partition, pointer]),
  );
  // What an owner may have handed out: looked at when it has stopped, and anew when a partition was owned meanwhile.
  const asked = new Set<number>();
  let ends: Promise<readonly Bounds[]> | undefined;
  const change = async (
    partition: number,
    stored: StoredPointer | undefined,
  ): Promise<StoredPointer | undefined> => {
    const next = targets.get(partition);
    if (next === undefined) return undefined;
    if (asked.has(partition)) {
      asked.clear();
      ends = undefined;
    }
    asked.add(partition);
    ends ??= link.request((inner) => driver.bounds(topic, inner), { signal });
    const end = (await ends)[partition]?.end.offset ?? 0;
    from.set(partition, stored);
    const old =
      stored === undefined
        ? newPointer(next, topic.partitions)
        : decodePointer(stored, topic.partitions);
    const resetBelow = Math.max(end, old.next.offset, ...old.done);
    return encodePointer({ ...newPointer(next, old.partitions), epoch: old.epoch + 1, resetBelow });
  };
  // Not through `link.request`: an edit that is not known to have failed must not be made twice, it is an epoch each.
  const superseded = dryRun
    ? false
    : (
        await edit(
          link,
          () => driver.edit(topic, group, change, graceMs, anyOf(closed, signal)),
          anyOf(closed, signal),
        )
      ).superseded;
  return {
    moves: [...targets].map(([partition, place]) =>
      moveOf(driver, topic, partition, from.get(partition), place),
    ),
    superseded,
  };
}

async function edit<T>(
  link: Link,
  run: () => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  await link.ready(signal);
  try {
    return await run();
  } catch (error) {
    link.failed(error);
    throw error;
  }
}

function moveOf(
  driver: LogDriver,
  topic: StoredTopic,
  partition: number,
  stored: StoredPointer | undefined,
  place: Place,
): ResetMove {
  const text = (at: Place): string =>
    formatPosition(topic.incarnation, partition, at, driver.capabilities.placeNeedsTime);
  return {
    partition,
    from: stored === undefined ? undefined : text(stored.place),
    to: text(place),
    count: stored === undefined ? 0 : stored.place.offset - place.offset,
  };
}
