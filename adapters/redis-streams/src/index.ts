import type { Adapter } from '@duobus/core';
import { Connection } from './connection.ts';
import { RedisLogDriver } from './log-driver.ts';
import type { RedisNative } from './native.ts';
import { optionsOfUrl, type RedisStreamsOptions, settingsOf } from './options.ts';
import { RedisQueueDriver } from './queue-driver.ts';

export type { RedisNative } from './native.ts';
export type { RedisStreamsOptions } from './options.ts';

/** URL schemes of this adapter: `redis://user:password@host:6379/0`, and `rediss://` for TLS. */
export const schemes: readonly string[] = ['redis', 'rediss'];

/** Both buses on Redis or Valkey. Nothing is connected before `connect` asks for it.
 *  @example const bus = await connect(redisStreams({ hosts: ['localhost:6379'] }), { source: '/shop/orders' })
 *  @throws TypeError for options that make no sense */
export function redisStreams(options: RedisStreamsOptions = {}): Adapter<RedisNative> {
  const settings = settingsOf(options);
  return {
    name: 'redis-streams',
    queue: new RedisQueueDriver(new Connection(settings)),
    log: new RedisLogDriver(new Connection(settings)),
  };
}

/** What `connect('redis://host:6379')` calls. Options win over what the URL says. */
export function createAdapter(config: {
  readonly url: string;
  readonly options?: Readonly<Record<string, unknown>>;
}): Adapter<RedisNative> {
  return redisStreams({ ...optionsOfUrl(config.url), ...config.options });
}
