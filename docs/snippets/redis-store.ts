import assert from 'node:assert/strict';
import { until } from './until.ts';

const mails: string[] = [];
const sendMail = async (to: string): Promise<void> => void mails.push(to);

// #region store
import { connect, topic } from '@duobus/core';
import { redisStore } from '@duobus/redis-store';
import { Redis } from 'ioredis';

const redis = new Redis(process.env.REDIS_URL ?? '');
const store = redisStore(redis, { prefix: 'shop:once:' });

const Orders = topic<{ orderId: string; customer: string }>('orders');
const bus = await connect(process.env.BUS_URL, { source: '/shop', store });

await bus.events.subscribe(Orders, 'mail', async (order, delivery) => {
  await delivery.once('thank-you-mail', () => sendMail(order.customer));
});
// #endregion store
const id = crypto.randomUUID();
await bus.events.publish(Orders, { orderId: '1', customer: 'ada' }, { id });
await bus.events.publish(Orders, { orderId: '1', customer: 'ada' }, { id });
await until(async () => (await bus.events.depth(Orders, 'mail')).total === 0);
assert.deepEqual(mails, ['ada']);

// #region close
await bus.close();
await redis.quit();
// #endregion close
