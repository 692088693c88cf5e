import type { LogCapabilities } from '@duobus/core/driver';
import type { Settings } from './options.ts';

type Declared = Pick<Settings, 'requireAof' | 'waitReplicas' | 'waitAof' | 'leaseMs'>;

/** What `open` makes sure of: a server that does less is refused. */
export function durabilityOf({
  requireAof,
  waitReplicas,
  waitAof,
}: Omit<Declared, 'leaseMs'>): LogCapabilities['durability'] {
  const always = requireAof === 'always' || waitAof;
  return Object.freeze({
    processKill: always,
    hostLoss: always,
    leaderLoss: waitReplicas > 0,
    note: "With requireAof: 'always' or waitAof: true every document is on disk before its publish resolves. With appendfsync everysec, the default of Redis, a server that is killed or loses power forgets the last one or two seconds. With waitReplicas: 1 or more a replica has it too, so that a failover keeps it.",
  });
}

export const maxDocumentBytes: number = 16 * 1024 * 1024;
export const maxDocumentBytesHelp =
  "raise proto-max-bulk-len of the server and the topic's maxBytes; every document is in the server's memory";

/** What the data bus on Redis can do. */
export function logCapabilities(settings: Declared): LogCapabilities {
  return Object.freeze({
    durability: durabilityOf(settings),
    publish: Object.freeze({ calls: 2, maxRecords: 500, maxBytes: 1_048_576, dedup: true }),
    maxDocumentBytes,
    maxDocumentBytesHelp,
    dense: true,
    timeGranularityMs: 0,
    confirmHasPosition: true,
    placeNeedsTime: true,
    retention: Object.freeze({ age: true, bytes: true, alter: true }),
    leaseMs: settings.leaseMs,
  });
}
