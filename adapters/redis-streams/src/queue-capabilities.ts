import type { QueueCapabilities } from '@duobus/core/driver';
import { durabilityOf, maxDocumentBytes, maxDocumentBytesHelp } from './capabilities.ts';
import type { Settings } from './options.ts';

/** What the event bus on Redis can do. */
export function queueCapabilities(
  settings: Pick<Settings, 'requireAof' | 'waitReplicas' | 'waitAof'>,
): QueueCapabilities {
  return Object.freeze({
    durability: durabilityOf(settings),
    publish: Object.freeze({ calls: 1, maxRecords: 500, maxBytes: 4_194_304, dedup: true }),
    maxDocumentBytes,
    maxDocumentBytesHelp,
    order: Object.freeze({ none: true, key: true }),
    keepsForMs: null,
    // a handler may take as long as it likes, as long as its process shows that it lives
    leaseMs: 2 ** 31 - 1,
    maxDelayMs: Number.MAX_SAFE_INTEGER,
    brokerRepeats: false,
    countsLeased: true,
    countsConsumers: true,
  });
}
