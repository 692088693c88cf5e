import type { Contender, Setting } from '../contender.ts';
import { amqplibContender } from './amqplib.ts';
import { amqplibStreamContender } from './amqplib-stream.ts';
import { awsContender } from './aws.ts';
import { awsLogContender } from './aws-log.ts';
import { duobusContender } from './duobus.ts';
import { ioredisContender } from './ioredis.ts';
import { ioredisLogContender } from './ioredis-log.ts';
import { kafkajsContender } from './kafkajs.ts';

/** Name of the client that duobus is compared with; the embedded bus has none. */
export function rawName({ adapter }: Pick<Setting, 'adapter'>): string | undefined {
  return adapter === 'memory'
    ? undefined
    : { rabbitmq: 'amqplib', kafka: 'kafkajs', 'redis-streams': 'ioredis', 'sns-sqs': 'aws-sdk' }[
        adapter
      ];
}

export function pickContender(which: 'duobus' | 'raw', setting: Setting): Contender {
  if (which === 'duobus') return duobusContender(setting);
  if (setting.adapter === 'kafka') return kafkajsContender(setting);
  if (setting.adapter === 'rabbitmq')
    return setting.bus === 'event' ? amqplibContender(setting) : amqplibStreamContender(setting);
  if (setting.adapter === 'redis-streams')
    return setting.bus === 'event' ? ioredisContender(setting) : ioredisLogContender(setting);
  if (setting.adapter === 'sns-sqs')
    return setting.bus === 'event' ? awsContender(setting) : awsLogContender(setting);
  throw new TypeError('the memory adapter has no client to compare with');
}
