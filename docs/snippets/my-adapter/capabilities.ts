// #region capabilities
import type { LogCapabilities, QueueCapabilities } from '@duobus/core/driver';

const both = {
  durability: {
    processKill: false,
    hostLoss: false,
    leaderLoss: false,
    note: 'Say what a resolved publish survives, and on which settings of the broker that depends.',
  },
  publish: { calls: 1, maxRecords: 100, maxBytes: 1_048_576, dedup: false },
  maxDocumentBytes: 1_048_576,
  maxDocumentBytesHelp: 'say which setting of the broker raises it',
} as const;

/** The least there is. Declare more when it is written: from then on it is tested. */
export const queueCapabilities: QueueCapabilities = Object.freeze({
  ...both,
  order: { none: true, key: false },
  keepsForMs: null,
  leaseMs: 60_000,
  maxDelayMs: 60_000,
  brokerRepeats: false,
  countsLeased: false,
  countsConsumers: false,
});

export const logCapabilities: LogCapabilities = Object.freeze({
  ...both,
  dense: false,
  timeGranularityMs: 1_000,
  confirmHasPosition: false,
  placeNeedsTime: false,
  retention: { age: false, bytes: false, alter: false },
  leaseMs: 30_000,
});
// #endregion capabilities
