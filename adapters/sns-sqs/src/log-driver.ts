import type { LogDriver } from '@duobus/core/driver';
import { objectLogCapabilities, ObjectLogDriver, TopicShelf } from '@duobus/object-log';
import { logDurability, maxLogDocumentBytes } from './capabilities.ts';
import type { AwsNative, Connection } from './connection.ts';
import { SnsDoorbell } from './doorbell.ts';

/** The data bus: segments of the log, pointers and records of topics are objects in S3; SNS and SQS wake who waits. */
export function makeLogDriver(connection: Connection): LogDriver<AwsNative> {
  const { settings, store, native } = connection;
  const { root, leaseMs, lookEveryMs } = settings;
  const doorbell = new SnsDoorbell(connection);
  return new ObjectLogDriver<AwsNative>({
    store,
    doorbell,
    shelf: new TopicShelf({
      store,
      kind: 'data',
      root,
      make: async () => ({}),
      unmake: async () => undefined,
    }),
    root,
    native,
    lookEveryMs,
    capabilities: objectLogCapabilities({
      durability: logDurability,
      maxDocumentBytes: maxLogDocumentBytes,
      maxDocumentBytesHelp:
        'this adapter sets it: put what is larger into S3 and publish where it is',
      timeGranularityMs: 2_000,
      leaseMs,
    }),
    connection: {
      open: (signal) => connection.open(signal),
      close: async () => {
        await doorbell.close();
        await connection.close();
      },
      ended: () => connection.ended,
    },
  });
}
