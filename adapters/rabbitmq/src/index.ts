import type { Adapter } from '@duobus/core';
import { RabbitmqLogDriver } from './log-driver.ts';
import type { RabbitmqNative } from './native.ts';
import { type RabbitmqOptions, readOptions } from './options.ts';
import { RabbitmqQueueDriver } from './queue-driver.ts';

export type { AmqpConnection } from './client.ts';
export type { RabbitmqNative } from './native.ts';
export type { ConnectionPurpose, RabbitmqOptions } from './options.ts';

/** RabbitMQ as a broker of duobus. Nothing is connected before `connect` asks for it.
 *  @example const bus = await connect(rabbitmq({ url: 'amqp://localhost' }), { source: '/shop/orders' })
 *  @throws TypeError for options that make no sense */
export function rabbitmq(options: RabbitmqOptions = {}): Adapter<RabbitmqNative> {
  const settings = readOptions(options);
  return {
    name: 'rabbitmq',
    queue: new RabbitmqQueueDriver(settings),
    log: new RabbitmqLogDriver(settings),
  };
}

/** The schemes of URLs that `connect` gives to this adapter. */
export const schemes: readonly string[] = ['amqp', 'amqps'];

/** What `connect` calls for a URL or a plain configuration object. */
export function createAdapter(config: {
  readonly url: string;
  readonly options?: Readonly<Record<string, unknown>>;
}): Adapter<RabbitmqNative> {
  return rabbitmq({ ...config.options, url: config.url });
}
