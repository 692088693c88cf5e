import assert from 'node:assert/strict';

// #region example
import { connect, topic } from '@duobus/core';
import { kafka } from '@duobus/kafka';

const Orders = topic<{ orderId: string }>('orders', { key: (order) => order.orderId });

const url = process.env.KAFKA_URL ?? 'kafka://localhost:9092';
await using bus = await connect(kafka({ url }), { source: '/shop' });
// or: await connect(url, { source: '/shop' })

const handled: string[] = [];
const analytics = await bus.data.subscribe(Orders, 'analytics', (order) => {
  handled.push(order.orderId);
});
await bus.data.publish(Orders, { orderId: '42' });
// #endregion example
import { until } from './until.ts';
await until(() => handled.includes('42'));
assert.equal(analytics.stats().failed, 0);
await analytics.close();
await bus.data.remove(Orders, 'analytics', { discard: true });
