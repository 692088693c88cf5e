import { CreateTopicCommand, DeleteTopicCommand } from '@aws-sdk/client-sns';
import { inParallel, BusError, type StoredTopic, type WantedTopic } from '@duobus/core/driver';
import type { TopicNotes } from '@duobus/object-log';
import type { Connection } from './connection.ts';
import { width } from './queue-batches.ts';
import { topicArnOf, topicName } from './queue-names.ts';

/** Makes the SNS topics of an event topic that has no record yet. */
export async function makeTopic(
  connection: Connection,
  wanted: WantedTopic,
  signal: AbortSignal,
): Promise<TopicNotes> {
  return { arn: await makePartitions(connection, wanted, signal) };
}

/** Makes those of all partitions, as far as they are not there; where order is 'none' there is one. Returns the first's ARN. */
export async function makePartitions(
  connection: Connection,
  topic: StoredTopic,
  signal: AbortSignal,
): Promise<string> {
  const partitions = Array.from({ length: partitionsOf(topic) }, (_, partition) => partition);
  const arns = await inParallel(partitions, width, (partition) =>
    makeOne(connection, topic, partition, signal),
  );
  return arns[0] as string;
}

/** Where order is 'none' all partitions are one. */
export function partitionsOf({
  order,
  partitions,
}: Pick<StoredTopic, 'order' | 'partitions'>): number {
  return order === 'key' ? partitions : 1;
}

async function makeOne(
  connection: Connection,
  topic: StoredTopic,
  partition: number,
  signal: AbortSignal,
): Promise<string> {
  const Name = topicName(connection.settings.prefix, topic, partition);
  const ordered = {
    FifoTopic: 'true',
    ContentBasedDeduplication: 'false',
    FifoThroughputScope: 'MessageGroup',
  };
  const made = await connection.sns(
    new CreateTopicCommand({ Name, ...(topic.order === 'key' ? { Attributes: ordered } : {}) }),
    signal,
    `create topic '${Name}'`,
  );
  if (made.TopicArn === undefined)
    throw new BusError('DUOBUS_BUG', `SNS has not said what the ARN of topic '${Name}' is`);
  return made.TopicArn;
}

/** Removes what `makeTopic` has made. */
export async function unmakeTopic(
  connection: Connection,
  notes: TopicNotes,
  wanted: WantedTopic,
  signal: AbortSignal,
): Promise<void> {
  const first = arnOf(notes, wanted);
  for (let partition = 0; partition < partitionsOf(wanted); partition += 1) {
    const TopicArn = topicArnOf(first, wanted, partition);
    await connection.sns(
      new DeleteTopicCommand({ TopicArn }),
      signal,
      `delete topic '${TopicArn}'`,
    );
  }
}

/** @throws BusError DUOBUS_DECODE where the record says nothing about it. */
export function arnOf(notes: TopicNotes, { name }: Pick<StoredTopic, 'name'>): string {
  const { arn } = notes;
  if (arn !== undefined) return arn;
  throw new BusError(
    'DUOBUS_DECODE',
    `the record of topic '${name}' does not say which SNS topic it has: was it written by something else than duobus?`,
  );
}
