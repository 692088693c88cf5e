import { lostConsumer, type QueueEvent } from '@duobus/core/driver';

/** What to tell the runtime when a consumer cannot go on. */
export const lost = (what: string, error: unknown): QueueEvent =>
  lostConsumer('SNS/SQS', what, error);

/** What has not shown a sign of life for so long is somebody else's by now. */
export const frozen = (what: string, leaseMs: number): QueueEvent =>
  lost(
    what,
    `what it held could not be kept for longer than ${leaseMs} ms: was its process frozen, its event loop blocked, or SQS away?`,
  );
