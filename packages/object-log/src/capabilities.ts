import type { LogCapabilities } from '@duobus/core/driver';

/** What an object log can do over any store; the rest is for the store to say. */
export function objectLogCapabilities(
  store: Pick<
    LogCapabilities,
    'durability' | 'maxDocumentBytes' | 'maxDocumentBytesHelp' | 'timeGranularityMs' | 'leaseMs'
  >,
): LogCapabilities {
  return Object.freeze({
    ...store,
    publish: Object.freeze({ calls: 8, maxRecords: 1_000, maxBytes: 4_194_304, dedup: true }),
    dense: true,
    confirmHasPosition: true,
    placeNeedsTime: false,
    retention: Object.freeze({ age: true, bytes: true, alter: true }),
  });
}
