import assert from 'node:assert/strict';

// #region example
import { connect, topic } from '@duobus/core';
import { redisStreams } from '@duobus/redis-streams';

const Orders = topic<{ orderId: string }>('orders', { key: (order) => order.orderId });

const hosts = (process.env.REDIS_HOSTS ?? 'localhost:6379').split(',');
await using bus = await connect(redisStreams({ hosts }), { source: '/shop' });
// or: await connect(`redis://${hosts}`, { source: '/shop' })

const handled: string[] = [];
const billing = await bus.events.subscribe(Orders, 'billing', (order) => {
  handled.push(`billed ${order.orderId}`);
});
const analytics = await bus.data.subscribe(Orders, 'analytics', (order) => {
  handled.push(`counted ${order.orderId}`);
});
await bus.events.publish(Orders, { orderId: '42' });
await bus.data.publish(Orders, { orderId: '42' });
// #endregion example
import { until } from './until.ts';
await until(() => handled.includes('billed 42') && handled.includes('counted 42'));
assert.equal(billing.stats().failed + analytics.stats().failed, 0);
await billing.close();
await analytics.close();
await bus.events.unsubscribe(Orders, 'billing', { discard: true });
await bus.data.remove(Orders, 'analytics', { discard: true });
