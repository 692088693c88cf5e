import type { QueueCapabilities } from '@duobus/core/driver';

const hourMs = 3_600_000;

/** SQS keeps nothing longer. */
export const keepsForMs: number = 14 * 24 * hourMs;
/** What SNS takes in one message, and in all messages of one request together. */
export const maxMessageBytes = 262_144;
/** SQS takes a document back so long after it has handed it out, whatever its consumer says. */
export const longestLeaseMs: number = 12 * hourMs;

/** What the event bus on SNS and SQS can do. */
export const queueCapabilities: QueueCapabilities = Object.freeze({
  durability: Object.freeze({
    processKill: true,
    hostLoss: true,
    leaderLoss: true,
    note: 'SNS and SQS keep every message in several availability zones before they confirm it (an emulator may keep it in memory only)',
  }),
  publish: Object.freeze({ calls: 4, maxRecords: 100, maxBytes: 1_048_576, dedup: false }),
  // with room for attributes
  maxDocumentBytes: maxMessageBytes - 8_192,
  maxDocumentBytesHelp:
    'SNS takes 256 KiB in one message, attributes included, and a body that is not text of characters legal in XML counts four thirds: publish less, or a reference to it.',
  order: Object.freeze({ none: true, key: true }),
  keepsForMs,
  leaseMs: longestLeaseMs,
  // its lease has begun before
  maxDelayMs: longestLeaseMs - hourMs,
  brokerRepeats: true,
  countsLeased: true,
  countsConsumers: false,
});
