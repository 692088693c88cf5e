import type { QueueEvent } from './driver.ts';
import { BusError } from './errors.ts';

/** What to tell the runtime when a consumer cannot go on: it is opened again, unless its subscription is gone.
 *  `broker` begins the message, `what` completes "the consumer of ...". */
export function lostConsumer(broker: string, what: string, error: unknown): QueueEvent {
  if (BusError.is(error, 'DUOBUS_NOT_FOUND')) return { type: 'gone', error };
  const said = error instanceof Error ? error.message : String(error);
  const message = `${broker}: the consumer of ${what} was lost: ${said}`;
  return {
    type: 'lost',
    error: new BusError('DUOBUS_UNAVAILABLE', message, { cause: error, retryable: true }),
  };
}
