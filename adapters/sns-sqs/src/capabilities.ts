import type { LogCapabilities } from '@duobus/core/driver';

/** What AWS says of S3 (https://docs.aws.amazon.com/AmazonS3/latest/userguide/DataDurability.html). */
export const logDurability: LogCapabilities['durability'] = Object.freeze({
  processKill: true,
  hostLoss: true,
  leaderLoss: true,
  note: 'S3 answers when an object is stored in several availability zones. Emulators keep what their own disk keeps.',
});

/** A segment holds one document at least, and is read as a whole. */
export const maxLogDocumentBytes: number = 16 * 1_024 * 1_024;
