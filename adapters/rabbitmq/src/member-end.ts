import { setTimeout as pause } from 'node:timers/promises';
import { BusError, type QueueEvent } from '@duobus/core/driver';
import type { Connection } from './connection.ts';
import { classify, isMissing } from './native-errors.ts';

/**
 * The broker cancels the consumers of a queue before the queue is gone, and a question about a queue that is just being
 * deleted can remain without an answer: so it is asked for more than once.
 */
const checkMs = 2000;
const checks = 5;
const betweenMs = 100;

/** What to tell the runtime when a consumer has ended: whether its queue is gone, or only the consumer. */
export async function endOf(
  connection: Connection,
  queue: string,
  reason: Error | undefined,
): Promise<QueueEvent> {
  const tried = `go on consuming queue '${queue}'`;
  if (reason !== undefined && isMissing(reason)) return gone(queue, reason);
  for (let check = 0; check < checks && connection.alive; check += 1) {
    try {
      await connection.with(tried, AbortSignal.timeout(checkMs), (channel) =>
        channel.checkQueue(queue),
      );
      if (reason !== undefined) break;
      await pause(betweenMs);
    } catch (error) {
      if (isMissing(error)) return gone(queue, error);
      // it could not be asked: if that remains so, what ended the consumer counts
    }
  }
  const said = classify(reason, tried);
  if (said.code === 'DUOBUS_UNAVAILABLE') return { type: 'lost', error: said };
  const message = `RabbitMQ: the broker ended the consumer of queue '${queue}': ${said.message}; it is opened again`;
  return {
    type: 'lost',
    error: new BusError('DUOBUS_UNAVAILABLE', message, { cause: reason, retryable: true }),
  };
}

function gone(queue: string, cause: unknown): QueueEvent {
  const message = `RabbitMQ: queue '${queue}' no longer exists: the subscription was removed; subscribe anew to make it again`;
  return { type: 'gone', error: new BusError('DUOBUS_NOT_FOUND', message, { cause }) };
}
