import type { LogDriver, LogRecord, StoredTopic } from '@duobus/core/driver';
import { never } from './memory-log.ts';

/** All records of a partition. */
export async function readAll(
  driver: LogDriver,
  topic: StoredTopic,
  partition: number,
  maxBytes = 1_048_576,
): Promise<readonly LogRecord[]> {
  const [bounds] = (await driver.bounds(topic, never)).slice(partition);
  const records: LogRecord[] = [];
  for (let from = bounds?.first; from !== undefined; ) {
    const limits = { maxBytes, maxWaitMs: 0 };
    const found = await driver.read(topic, partition, from, limits, never);
    records.push(...found.records);
    from = found.atEnd ? undefined : found.next;
  }
  return records;
}
