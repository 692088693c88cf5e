import type { AmqpConnection } from './client.ts';

/** amqplib's connections, for what duobus does not cover. They change when they are lost: read them at each use, and
 *  open channels of your own on them. */
export interface RabbitmqNative {
  readonly publishConnection: AmqpConnection | undefined;
  readonly consumeConnection: AmqpConnection | undefined;
}
