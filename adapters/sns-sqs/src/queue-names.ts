import { createHash } from 'node:crypto';
import type { StoredTopic } from '@duobus/core/driver';

/** SNS takes 256 characters, SQS 80: the names of topics are as long as those of queues may be. */
const longest = 80;
const fifo = '.fifo';

/** The SNS topic of an event topic, or of one of its partitions: another one for every incarnation. */
export function topicName(
  prefix: string,
  { name, incarnation, order }: Pick<StoredTopic, 'name' | 'incarnation' | 'order'>,
  partition: number,
): string {
  return compose([prefix, name], hash(incarnation, 16), order, partition);
}

/** The ARN of the SNS topic of a partition, from that of the first. */
export function topicArnOf(
  first: string,
  { order }: Pick<StoredTopic, 'order'>,
  partition: number,
): string {
  return order === 'key' ? first.replace(/-0\.fifo$/, `-${partition}${fifo}`) : first;
}

/** The queue of a subscription, or of one of its partitions: another one for every `uid`. */
export function queueName(
  prefix: string,
  topic: Pick<StoredTopic, 'name' | 'order'>,
  subscription: string,
  uid: string,
  partition: number,
): string {
  return compose([prefix, topic.name, subscription], uid, topic.order, partition);
}

/** SNS and SQS of one topic are in one account and region. */
export function queueArnOf(topicArn: string, queue: string): string {
  const [, partition, , region, account] = topicArn.split(':');
  return `arn:${partition}:sqs:${region}:${account}:${queue}`;
}

/** The message group of a key: what SQS hands out one after the other. */
export function groupOf(key: string): string {
  return hash(key, 32);
}

/** A group for one document alone, outside of the order. */
export function ownGroup(id: string): string {
  return `r${id}`;
}

/** Where everything of an incarnation's subscriptions is. */
export function subscriptionsPrefix(root: string, { incarnation }: StoredTopic): string {
  return `${root}events/${incarnation}/subscriptions/`;
}

/** Where notes and dead letters of one subscription are. */
export function subscriptionPrefix(root: string, topic: StoredTopic, uid: string): string {
  return `${root}events/${topic.incarnation}/${uid}/`;
}

/** What tells it apart is never shortened; the rest only helps who looks at a list. */
function compose(
  words: readonly string[],
  exact: string,
  order: StoredTopic['order'],
  partition: number,
): string {
  const end = `-${exact}${order === 'key' ? `-${partition}${fifo}` : ''}`;
  const readable = words.map((word) => word.replaceAll(/[^A-Za-z0-9_-]/g, '-')).join('-');
  return readable.slice(0, longest - end.length) + end;
}

function hash(value: string, digits: number): string {
  return createHash('sha256').update(value).digest('hex').slice(0, digits);
}
