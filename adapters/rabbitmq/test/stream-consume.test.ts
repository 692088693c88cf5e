import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AmqpChannel, AmqpMessage } from '../src/client.ts';
import { consumeStream } from '../src/stream-consume.ts';

/** As amqplib does it: a consumer is known when the request is answered, and a message for another is an error. */
function hastyChannel(message: AmqpMessage): AmqpChannel {
  const consumers = new Map<string, (message: AmqpMessage) => void>();
  const channel: Partial<AmqpChannel> = {
    registerConsumer: (tag, take) => consumers.set(tag, take),
    prefetch: async () => undefined,
    consume: async (_queue, take, { consumerTag = '' } = {}) => {
      const known = consumers.get(consumerTag);
      if (known === undefined) throw new Error(`Unknown consumer: ${consumerTag}`);
      known(message);
      consumers.set(consumerTag, take);
      return { consumerTag };
    },
  };
  return channel as AmqpChannel;
}

describe('consuming a stream', () => {
  it('takes what the broker delivers before it has answered the request', async () => {
    const message = {} as AmqpMessage;
    const taken: unknown[] = [];
    await consumeStream(hastyChannel(message), 'queue', 'first', 1, (one) => taken.push(one));
    assert.deepEqual(taken, [message]);
  });
});
