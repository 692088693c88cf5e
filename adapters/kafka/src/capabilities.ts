import type { LogCapabilities } from '@duobus/core/driver';
import type { Settings } from './options.ts';

const defaultMessageBytes = 1_048_588; // max.message.bytes of Kafka

/** What the data bus on Kafka can do. */
export function logCapabilities({
  sessionTimeoutMs,
  minInsyncReplicas = 1,
}: Pick<Settings, 'sessionTimeoutMs' | 'minInsyncReplicas'>): LogCapabilities {
  const replicated = minInsyncReplicas > 1;
  return Object.freeze({
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
    // transactions of other publishers and compaction leave gaps
    dense: false,
    timeGranularityMs: 0,
    confirmHasPosition: true,
    placeNeedsTime: false,
    retention: Object.freeze({ age: true, bytes: true, alter: true }),
    leaseMs: sessionTimeoutMs,
  });
}
