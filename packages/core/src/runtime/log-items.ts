import type { LogDriver, LogRecord, StoredTopic } from '../driver.ts';
import { formatPosition } from '../position.ts';
import type { Redriven } from './group-letters.ts';
import { newItem, type Item } from './item.ts';
import type { LogPartition } from './log-partition.ts';
import { openRecord } from './runner.ts';

/** What the items of a feed have in common. */
export interface ItemHome {
  readonly topic: StoredTopic;
  readonly driver: LogDriver;
  readonly now: number;
}

/** Adds the item of a record to `items`, unless the previous owner has handled it. */
export function takeRecord(
  record: LogRecord,
  owned: LogPartition,
  { topic, driver, now }: ItemHome,
  items: Item[],
): void {
  const taken = owned.take(record);
  if (taken === undefined) return;
  const { envelope, broken } = openRecord(record, driver.binding);
  const { tracked, suspect, cause } = taken;
  const { placeNeedsTime } = driver.capabilities;
  items.push(
    newItem({
      part: owned.part,
      lease: owned.lease,
      record,
      envelope,
      broken,
      lane: envelope === undefined ? record.key : envelope.key,
      redelivered: cause !== 'first',
      now,
      handle: tracked,
      owner: owned,
      position: formatPosition(topic.incarnation, owned.partition, record, placeNeedsTime),
      appendedAt: record.time,
      cause,
      failed: tracked.failed,
      crashes: tracked.crashes,
      suspect,
    }),
  );
}

/** The item of a redriven dead letter: outside key order, and not part of the pointer. */
export function redrivenItem(
  redriven: Redriven,
  owned: LogPartition,
  { topic, driver, now }: ItemHome,
): Item {
  const { letter, suspect } = redriven;
  // The key of the line is the dead letter's identity; that of the document is among its attributes.
  const record = { ...redriven.record, key: undefined };
  const { envelope, broken } = openRecord(record, driver.binding);
  const { placeNeedsTime } = driver.capabilities;
  return newItem({
    part: owned.part,
    lease: owned.lease,
    record,
    envelope,
    broken,
    lane: undefined,
    redelivered: true,
    now,
    handle: redriven,
    position: formatPosition(topic.incarnation, letter.partition, letter.place, placeNeedsTime),
    appendedAt: letter.place.time,
    cause: 'redrive',
    failed: letter.attempts,
    crashes: letter.crashes,
    suspect,
  });
}
