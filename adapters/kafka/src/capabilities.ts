import type { LogCapabilities, QueueCapabilities } from '@duobus/core/driver';
import type { Settings } from './options.ts';

/** A week: timers take no more than 24 days. */
const longestMs = 604_800_000;
const defaultMessageBytes = 1_048_588; // max.message.bytes of Kafka

type Replication = Pick<Settings, 'sessionTimeoutMs' | 'minInsyncReplicas'>;

function common({ minInsyncReplicas = 1 }: Replication) {
  const replicated = minInsyncReplicas > 1;
  return {
    durability: Object.freeze({
      processKill: true,
      hostLoss: replicated,
      leaderLoss: replicated,
      note: 'Published with acks=all. A broker keeps what it confirms in memory shared with the disk, so that the loss of a host is survived by copies alone: set replicationFactor to 3 and minInsyncReplicas to 2.',
    }),
    // one call per partition: its answer tells exactly what became of it, and pipelining across partitions is fast enough
    publish: Object.freeze({ calls: 1, maxRecords: 1_000, maxBytes: 524_288, dedup: true }),
    maxDocumentBytes: defaultMessageBytes - 1_024,
    maxDocumentBytesHelp:
      "raise Kafka's max.message.bytes of the topic, or maxMessageBytes of the adapter for topics it makes",
  };
}

/** What the event bus on Kafka can do. */
export function queueCapabilities(settings: Replication): QueueCapabilities {
  return Object.freeze({
    ...common(settings),
    order: Object.freeze({ none: true, key: true }),
    keepsForMs: null,
    // Kafka watches consumers, not documents: only a handler that holds up the process would be taken for dead
    leaseMs: longestMs,
    maxDelayMs: longestMs,
    brokerRepeats: false,
    countsLeased: true,
    countsConsumers: true,
  });
}

/** What the data bus on Kafka can do. */
export function logCapabilities(settings: Replication): LogCapabilities {
  return Object.freeze({
    ...common(settings),
    // transactions of other publishers and compaction leave gaps
    dense: false,
    timeGranularityMs: 0,
    confirmHasPosition: true,
    placeNeedsTime: false,
    retention: Object.freeze({ age: true, bytes: true, alter: true }),
    leaseMs: settings.sessionTimeoutMs,
  });
}
