import type { LogCapabilities, QueueCapabilities } from '@duobus/core/driver';
import type { BrokerLimits } from './options.ts';

const durability = Object.freeze({
  processKill: false,
  hostLoss: false,
  leaderLoss: false,
  note: 'Everything lives in the memory of the process: it survives every connection, and ends with the process.',
});

const maxDocumentBytesHelp = 'raise maxDocumentBytes of memory()';

const publish = Object.freeze({ calls: 16, maxRecords: 1_000, maxBytes: 4_194_304, dedup: false });

export function queueCapabilities(limits: BrokerLimits): QueueCapabilities {
  return Object.freeze({
    durability,
    publish,
    maxDocumentBytes: limits.maxDocumentBytes,
    maxDocumentBytesHelp,
    order: Object.freeze({ none: true, key: true }),
    keepsForMs: null,
    leaseMs: limits.queueLeaseMs,
    maxDelayMs: Number.MAX_SAFE_INTEGER,
    brokerRepeats: false,
    countsLeased: true,
    countsConsumers: true,
  });
}

export function logCapabilities(limits: BrokerLimits): LogCapabilities {
  return Object.freeze({
    durability,
    publish,
    maxDocumentBytes: limits.maxDocumentBytes,
    maxDocumentBytesHelp,
    dense: true,
    timeGranularityMs: 0,
    confirmHasPosition: true,
    placeNeedsTime: false,
    retention: Object.freeze({ age: true, bytes: true, alter: true }),
    leaseMs: limits.groupLeaseMs,
  });
}
