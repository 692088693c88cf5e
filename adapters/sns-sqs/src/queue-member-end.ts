import { BusError, type QueueEvent } from '@duobus/core/driver';

/** What to tell the runtime when a consumer cannot go on. */
export function lostConsumer(what: string, error: unknown): QueueEvent {
  if (BusError.is(error, 'DUOBUS_NOT_FOUND')) return { type: 'gone', error };
  const said = error instanceof Error ? error.message : String(error);
  const message = `SNS/SQS: the consumer of ${what} was lost: ${said}`;
  return {
    type: 'lost',
    error: new BusError('DUOBUS_UNAVAILABLE', message, { cause: error, retryable: true }),
  };
}

/** What has not shown a sign of life for so long is somebody else's by now. */
export function frozenConsumer(what: string, leaseMs: number): QueueEvent {
  return lostConsumer(
    what,
    `what it held could not be kept for longer than ${leaseMs} ms: was its process frozen, its event loop blocked, or SQS away?`,
  );
}
