import { createHash } from 'node:crypto';
import type { StoredTopic } from '@duobus/core/driver';
import type { Settings } from './options.ts';

/** Which Kafka topic a topic is kept in, and the id that Kafka gave it. */
export interface KafkaTopic {
  readonly topic: string;
  readonly id: string;
}

type Retention = StoredTopic['retention'];

const groupPrefix = 'duobus:';
const unlimited = '-1';
const smallestSegment = 1_048_576; // what Kafka 4 allows
const largestSegment = 1_073_741_824;

/** A data topic is kept in the Kafka topic of its own name, so that others find it and existing ones are adopted. */
export function kafkaTopicName({ kind, name }: Pick<StoredTopic, 'kind' | 'name'>): string {
  return kind === 'data' ? name : `__duobus.event.${name}`;
}

/** The name to take where Kafka refuses the topic's own: it allows no two that differ in dots and underscores alone. */
export function otherTopicName({ kind, name }: Pick<StoredTopic, 'kind' | 'name'>): string {
  const hash = createHash('sha256').update(`${kind}:${name}`).digest('hex').slice(0, 24);
  return `${kafkaTopicName({ kind, name })}-${hash}`;
}

/** Names have no colon, so that the two parts cannot be confused. */
export function groupId(topic: Pick<StoredTopic, 'name'>, group: string): string {
  return `${groupPrefix}${topic.name}:${group}`;
}

/** The group's name, if the id is one of a group of the topic. */
export function groupOf(topic: Pick<StoredTopic, 'name'>, id: string): string | undefined {
  const prefix = groupId(topic, '');
  return id.startsWith(prefix) && id.length > prefix.length ? id.slice(prefix.length) : undefined;
}

/** The Kafka group of a subscription. */
export function subscriptionGroup(topic: string, name: string, id: string): string {
  return `duobus.event:${topic}:${name}:${id}`;
}

/** The group of those that look at a subscription's dead letters: it lets one in at a time. */
export function deadGroup(topic: string, name: string, id: string): string {
  return `${subscriptionGroup(topic, name, id)}:dead`;
}

/** A subscription's own Kafka topic. */
export function ownTopicName(topic: string, name: string, id: string): string {
  return `__duobus.subscription.${topic}.${name}.${id}`;
}

/** Partitions of a subscription's own topic. */
export const ownPartitions = { retries: 0, dead: 1, pointers: 2 } as const;

/** Nothing of a queue goes before it is settled, and what is goes by whole segments: so they are small. */
const queueSegments = { 'segment.bytes': '33554432', 'segment.ms': '600000' };

/** Settings of a subscription's own topic. Copies carry more headers than the documents that they are of. */
export function ownTopicConfigs(
  maxMessageBytes: number,
  settings: Settings,
): Readonly<Record<string, string>> {
  return {
    ...registryConfigs(settings),
    ...queueSegments,
    'max.message.bytes': String(maxMessageBytes + 65_536),
  };
}

/** What must hold of the settings of an event topic, or documents would go unread. */
export const keepsAll: Readonly<Record<string, string>> = {
  'cleanup.policy': 'delete',
  'retention.ms': unlimited,
  'retention.bytes': unlimited,
};

/** Settings of a Kafka topic made for `topic`. Time is the broker's append time, never the publisher's. */
export function topicConfigs(
  topic: StoredTopic,
  settings: Settings,
): Readonly<Record<string, string>> {
  return {
    'message.timestamp.type': 'LogAppendTime',
    ...(topic.compacted
      ? { 'cleanup.policy': 'compact' }
      : { 'cleanup.policy': 'delete', ...retentionConfigs(topic.retention) }),
    ...(topic.kind === 'event' ? queueSegments : {}),
    ...(settings.minInsyncReplicas === undefined
      ? {}
      : { 'min.insync.replicas': String(settings.minInsyncReplicas) }),
    ...(settings.maxMessageBytes === undefined
      ? {}
      : { 'max.message.bytes': String(settings.maxMessageBytes) }),
  };
}

/** The registry is read from its beginning by everyone: nothing of it may ever go. */
export function registryConfigs(settings: Settings): Readonly<Record<string, string>> {
  return {
    'message.timestamp.type': 'LogAppendTime',
    'cleanup.policy': 'delete',
    'retention.ms': unlimited,
    'retention.bytes': unlimited,
    ...(settings.minInsyncReplicas === undefined
      ? {}
      : { 'min.insync.replicas': String(settings.minInsyncReplicas) }),
  };
}

/** Kafka removes whole segments, so that they have to be a good deal smaller than what is to be kept. */
export function retentionConfigs({
  maxAgeMs,
  maxBytes,
}: Retention): Readonly<Record<string, string>> {
  const segmentBytes =
    maxBytes === null
      ? largestSegment
      : Math.min(largestSegment, Math.max(smallestSegment, Math.floor(maxBytes / 4)));
  const day = 86_400_000;
  const segmentMs =
    maxAgeMs === null ? 7 * day : Math.min(7 * day, Math.max(1_000, Math.floor(maxAgeMs / 4)));
  return {
    'retention.ms': maxAgeMs === null ? unlimited : String(maxAgeMs),
    'retention.bytes': maxBytes === null ? unlimited : String(maxBytes),
    'segment.ms': String(segmentMs),
    'segment.bytes': String(segmentBytes),
  };
}

/** The record of a Kafka topic that was there before duobus. */
export function adoptedTopic(
  wanted: StoredTopic,
  partitions: number,
  configs: ReadonlyMap<string, string | null>,
): StoredTopic {
  const limit = (name: string): number | null => {
    const value = Number(configs.get(name) ?? unlimited);
    return value < 0 ? null : value;
  };
  const policy = configs.get('cleanup.policy') ?? 'delete';
  return {
    ...wanted,
    partitions,
    retention: policy.includes('delete')
      ? { maxAgeMs: limit('retention.ms'), maxBytes: limit('retention.bytes') }
      : { maxAgeMs: null, maxBytes: null },
    compacted: policy.includes('compact'),
  };
}
