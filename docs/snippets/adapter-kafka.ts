import assert from 'node:assert/strict';

// #region example
import { connect, topic } from '@duobus/core';
import { kafka } from '@duobus/kafka';

const Orders = topic<{ orderId: string }>('orders', { key: (order) => order.orderId });

const brokers = (process.env.KAFKA_BROKERS ?? 'localhost:9092').split(',');
await using bus = await connect(kafka({ brokers }), { source: '/shop' });
// or: await connect(`kafka://${brokers}`, { source: '/shop' })

const handled: string[] = [];
const billing = await bus.events.subscribe(Orders, 'billing', (order) => {
  handled.push(`bill for ${order.orderId}`);
});
const analytics = await bus.data.subscribe(Orders, 'analytics', (order) => {
  handled.push(order.orderId);
});
await bus.events.publish(Orders, { orderId: '42' });
await bus.data.publish(Orders, { orderId: '42' });
// #endregion example
import { until } from './until.ts';
await until(() => handled.includes('42') && handled.includes('bill for 42'));
assert.equal(analytics.stats().failed, 0);
await analytics.close();
await billing.close();
await bus.events.unsubscribe(Orders, 'billing', { discard: true });
await bus.data.remove(Orders, 'analytics', { discard: true });
