import { createHash } from 'node:crypto';
import type { StoredTopic } from '@duobus/core/driver';
import type { AmqpChannel } from './client.ts';

/** The stream with the records of topics and the names of subscriptions, one for every vhost. */
export const registryQueue = 'duobus.registry';

/** RabbitMQ's limit for names is 255 bytes; this leaves room for the longest suffix. */
const longestBase = 200;
const mebibyte = 1024 * 1024;

/** Injective: `%` itself is encoded, and `:` only ever separates. */
function encode(part: string): string {
  return encodeURIComponent(part).replaceAll(
    /[!'()*~]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** Long names become a hash; `#` keeps hashes apart from names, where it is encoded. */
function base(kind: StoredTopic['kind'], parts: readonly string[]): string {
  const plain = `duobus.${kind}:${parts.map(encode).join(':')}`;
  if (plain.length <= longestBase) return plain;
  return `duobus.${kind}:#${createHash('sha256').update(JSON.stringify(parts)).digest('hex')}`;
}

export function exchangeName(topic: string): string {
  return base('event', [topic]);
}

/** The stream of one partition of a data topic. */
export function partitionStream(topic: string, partition: number): string {
  return `${base('data', [topic])}:partition:${String(partition)}`;
}

/** The stream in which the members of a group agree. */
export function groupStream(topic: string, group: string): string {
  return `${base('data', [topic, group])}:group`;
}

/** The queues of one subscription. */
export interface SubscriptionQueues {
  readonly topic: string;
  readonly name: string;
  /** What every name below begins with. */
  readonly base: string;
  /** Documents; `partition` is 0 where order is 'none'. */
  main(partition: number): string;
  /** Order 'none': documents noted before they are tried, leased one at a time. */
  readonly suspects: string;
  /** Order 'key': token and notes of the owner of a partition. */
  lock(partition: number): string;
  /** Order 'key': stays empty; its consumers are the members. */
  readonly members: string;
  readonly dead: string;
  delay(ms: number, partition: number): string;
}

export function queuesOf(topic: StoredTopic, name: string): SubscriptionQueues {
  const start = base('event', [topic.name, name]);
  return {
    topic: topic.name,
    name,
    base: start,
    main:
      topic.order === 'key'
        ? (partition) => `${start}:main:${String(partition)}`
        : () => `${start}:main`,
    suspects: `${start}:suspects`,
    lock: (partition) => `${start}:lock:${String(partition)}`,
    members: `${start}:members`,
    dead: `${start}:dead`,
    delay:
      topic.order === 'key'
        ? (ms, partition) => `${start}:delay:${String(ms)}:${String(partition)}`
        : (ms) => `${start}:delay:${String(ms)}`,
  };
}

/** The queues without which a subscription cannot be consumed; delays are made when they are needed. */
export function requiredQueues(
  queues: SubscriptionQueues,
  order: StoredTopic['order'],
  partitions: number,
): readonly string[] {
  if (order === 'none') return [queues.dead, queues.suspects, queues.main(0)];
  const each = Array.from({ length: partitions }, (_, partition) => partition);
  return [queues.dead, queues.members, ...each.map(queues.lock), ...each.map(queues.main)];
}

/** A number that every version takes for "for ever": without it 4.x drops a document after 20 returns, 3.10 puts
 *  returned ones at the tail, and -1 drops at the first return on 3.10. */
const quorum = { 'x-queue-type': 'quorum', 'x-delivery-limit': 1_000_000_000 } as const;

export interface QueueOptions {
  readonly durable: true;
  readonly arguments: Readonly<Record<string, string | number | boolean>>;
}

export const quorumQueue: QueueOptions = { durable: true, arguments: quorum };

export const singleConsumerQueue: QueueOptions = {
  durable: true,
  arguments: { ...quorum, 'x-single-active-consumer': true },
};

export const streamQueue: QueueOptions = {
  durable: true,
  arguments: { 'x-queue-type': 'stream' },
};

/** The queue of a member: its consumers are the member itself and, after it, its neighbour. It goes when both have. */
export const lifeQueue: QueueOptions = {
  durable: true,
  arguments: { 'x-queue-type': 'classic', 'x-single-active-consumer': true, 'x-expires': 60_000 },
};

/** Members write a snapshot at the latest after so many bytes as their cells take, of which this holds some. */
export const controlStream: QueueOptions = {
  durable: true,
  arguments: {
    'x-queue-type': 'stream',
    'x-max-length-bytes': 32 * mebibyte,
    'x-stream-max-segment-size-bytes': 2 * mebibyte,
  },
};

/** Smaller ones break retention on 3.10, and the search for first and last everywhere. */
const smallestSegment = 100_000;
const largestSegment = 16 * mebibyte;

/** Retention drops whole segments when the next one begins. So age is kept longer while little is published, and size
 *  is given some segments more: otherwise there would be less left than is to be kept, or nothing. */
export function dataStream({ retention: { maxAgeMs, maxBytes } }: StoredTopic): QueueOptions {
  const wanted = maxBytes === null ? largestSegment : Math.round(maxBytes / 8);
  const segment = Math.min(largestSegment, Math.max(smallestSegment, wanted));
  return {
    durable: true,
    arguments: {
      'x-queue-type': 'stream',
      'x-stream-max-segment-size-bytes': segment,
      ...(maxAgeMs === null ? {} : { 'x-max-age': `${String(Math.ceil(maxAgeMs / 1000))}s` }),
      ...(maxBytes === null ? {} : { 'x-max-length-bytes': maxBytes + 2 * segment }),
    },
  };
}

/** Holds for a fixed time, then hands over to `target` with confirms, so that a crash in between loses nothing. */
export function delayQueue(ms: number, target: string): QueueOptions {
  return {
    durable: true,
    arguments: {
      ...quorum,
      'x-message-ttl': ms,
      'x-overflow': 'reject-publish',
      'x-dead-letter-strategy': 'at-least-once',
      'x-dead-letter-exchange': '',
      'x-dead-letter-routing-key': target,
    },
  };
}

export async function declareTopic(channel: AmqpChannel, topic: StoredTopic): Promise<void> {
  const type = topic.order === 'key' ? 'direct' : 'fanout';
  await channel.assertExchange(exchangeName(topic.name), type, { durable: true });
}

/** Main queues last: from their binding on they collect, and everything else must be there by then. */
export async function declareSubscription(
  channel: AmqpChannel,
  topic: StoredTopic,
  queues: SubscriptionQueues,
  partitions: number,
): Promise<void> {
  await channel.assertQueue(queues.dead, singleConsumerQueue);
  if (topic.order === 'none') {
    await channel.assertQueue(queues.suspects, quorumQueue);
    await channel.assertQueue(queues.main(0), quorumQueue);
    await channel.bindQueue(queues.main(0), exchangeName(topic.name), '');
    return;
  }
  await channel.assertQueue(queues.members, quorumQueue);
  for (let partition = 0; partition < partitions; partition += 1) {
    await channel.assertQueue(queues.lock(partition), singleConsumerQueue);
    await channel.assertQueue(queues.main(partition), singleConsumerQueue);
    await channel.bindQueue(queues.main(partition), exchangeName(topic.name), String(partition));
  }
}
