import type { LogCapabilities, QueueCapabilities } from '@duobus/core/driver';
import { longestDelayMs } from './delay-tiers.ts';
import type { Settings } from './options.ts';

/** What RabbitMQ's event bus can do. `leaseMs` is the broker's `consumer_timeout`: see the options. */
export const queueCapabilities: QueueCapabilities = Object.freeze({
  durability: Object.freeze({
    processKill: true,
    hostLoss: true,
    leaderLoss: true,
    note: 'Quorum queues confirm once a majority of their nodes has written to disk; the loss of a leader needs a cluster of three or more.',
  }),
  publish: Object.freeze({ calls: 32, maxRecords: 500, maxBytes: 8 * 1024 * 1024, dedup: false }),
  maxDocumentBytes: 16 * 1024 * 1024,
  maxDocumentBytesHelp:
    "Raise max_message_size in rabbitmq.conf and the topic's maxBytes; headers of one document stay below 64 KiB.",
  order: Object.freeze({ none: true, key: true }),
  keepsForMs: null,
  leaseMs: 1_800_000,
  maxDelayMs: longestDelayMs,
  brokerRepeats: false,
  countsLeased: false,
  countsConsumers: true,
});

/** What RabbitMQ's data bus can do. */
export function logCapabilities({ groupLeaseMs }: Pick<Settings, 'groupLeaseMs'>): LogCapabilities {
  return Object.freeze({
    durability: Object.freeze({
      processKill: true,
      hostLoss: false,
      leaderLoss: true,
      note: 'Streams confirm once a majority of their replicas has the document, in memory shared with the disk: the loss of one host is survived by the copies of a cluster of three or more, and so is the loss of a leader.',
    }),
    publish: queueCapabilities.publish,
    maxDocumentBytes: queueCapabilities.maxDocumentBytes,
    maxDocumentBytesHelp: queueCapabilities.maxDocumentBytesHelp,
    // every segment of a stream but the first begins with an entry of the broker's own
    dense: false,
    // AMQP 0-9-1 asks for times in seconds, and what a publisher hands over is written some time later
    timeGranularityMs: 2_000,
    confirmHasPosition: false,
    placeNeedsTime: false,
    // AMQP has no request that changes it: a policy of the operator's does
    retention: Object.freeze({ age: true, bytes: true, alter: false }),
    leaseMs: groupLeaseMs,
  });
}
