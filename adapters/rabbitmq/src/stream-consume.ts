import { randomUUID } from 'node:crypto';
import type { AmqpChannel, AmqpMessage } from './client.ts';

export type StreamStart =
  | 'first'
  | 'last'
  | number
  | { readonly '!': 'timestamp'; readonly value: number };

/**
 * Reads a stream from a place on. 3.10 may deliver before it has answered the request, and amqplib closes a channel that
 * gets a message for a consumer it does not know yet: so it is told of the consumer first.
 */
export async function consumeStream(
  channel: AmqpChannel,
  queue: string,
  from: StreamStart,
  prefetch: number,
  take: (message: AmqpMessage | null) => void,
): Promise<void> {
  const consumerTag = `duobus.${randomUUID()}`;
  channel.registerConsumer?.(consumerTag, take);
  // requests of a channel are answered in order, so this prefetch is this reader's
  await Promise.all([
    channel.prefetch(prefetch, false),
    channel.consume(queue, take, { consumerTag, arguments: { 'x-stream-offset': from } }),
  ]);
}
