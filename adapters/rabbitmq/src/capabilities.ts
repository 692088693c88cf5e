import type { QueueCapabilities } from '@duobus/core/driver';
import { longestDelayMs } from './delay-tiers.ts';

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
