import { randomUUID } from 'node:crypto';
import type { AmqpChannel, AmqpMessage } from './client.ts';

export type StreamStart =
  | 'first'
  | 'last'
  | number
  | { readonly '!': 'timestamp'; readonly value: number };

type Take = (message: AmqpMessage | null) => void;

/** Reads a stream from a place on. */
export function consumeStream(
  channel: AmqpChannel,
  queue: string,
  from: StreamStart,
  prefetch: number,
  take: Take,
): Promise<void> {
  return consumeKnown(channel, queue, prefetch, take, { 'x-stream-offset': from });
}

/**
 * Consumes under a name that the client knows before the broker does: 3.10 may deliver before it has answered the
 * request, and amqplib closes a channel that gets a message for a consumer it does not know yet.
 */
export async function consumeKnown(
  channel: AmqpChannel,
  queue: string,
  prefetch: number,
  take: Take,
  given: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const consumerTag = `duobus.${randomUUID()}`;
  channel.registerConsumer?.(consumerTag, take);
  // requests of a channel are answered in order, so this prefetch is this consumer's
  await Promise.all([
    channel.prefetch(prefetch, false),
    channel.consume(queue, take, { consumerTag, arguments: given }),
  ]);
}
