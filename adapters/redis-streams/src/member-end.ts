import { BusError, type QueueEvent } from '@duobus/core/driver';
import { subscriptionGone } from './queue-scope.ts';

/** What to tell the runtime when a consumer cannot go on. */
export function lostConsumer(what: string, error: unknown): QueueEvent {
  if (BusError.is(error, 'DUOBUS_NOT_FOUND')) return { type: 'gone', error };
  const said = error instanceof Error ? error.message : String(error);
  const message = `Redis: the consumer of ${what} was lost: ${said}`;
  return {
    type: 'lost',
    error: new BusError('DUOBUS_UNAVAILABLE', message, { cause: error, retryable: true }),
  };
}

export function goneConsumer(topic: string, name: string): QueueEvent {
  return { type: 'gone', error: subscriptionGone(topic, name) };
}
