import type { Adapter } from '@duobus/core';
import type { KafkaClient } from './client.ts';
import { KafkaLogDriver } from './log-driver.ts';
import { KafkaQueueDriver } from './queue-driver.ts';
import { type KafkaOptions, optionsOfUrl, settingsOf } from './options.ts';

export type { KafkaClient } from './client.ts';
export type { KafkaOptions, KafkaSasl } from './options.ts';

/** URL schemes of this adapter: `kafka://user:password@host:9092,host:9092?sasl=plain` and `kafka+ssl://`. */
export const schemes: readonly string[] = ['kafka', 'kafka+ssl'];

/** Both buses on Apache Kafka.
 *  @example const bus = await connect(kafka({ brokers: ['localhost:9092'] }), { source: '/shop' }) */
export function kafka(options: KafkaOptions): Adapter<KafkaClient> {
  const settings = settingsOf(options);
  return {
    name: 'kafka',
    queue: new KafkaQueueDriver(settings),
    log: new KafkaLogDriver(settings),
  };
}

/** What `connect('kafka://host:9092')` calls. Options win over what the URL says. */
export function createAdapter(config: {
  readonly url: string;
  readonly options?: Readonly<Record<string, unknown>>;
}): Adapter<KafkaClient> {
  return kafka({ ...optionsOfUrl(config.url), ...config.options });
}
