import assert from 'node:assert/strict';

// #region example
import { connect, topic } from '@duobus/core';
import { rabbitmq } from '@duobus/rabbitmq';

const Orders = topic<{ orderId: string }>('orders');

const url = process.env.RABBITMQ_URL ?? 'amqp://guest:guest@localhost:5672';
await using bus = await connect(rabbitmq({ url, heartbeatMs: 10_000 }), { source: '/shop' });
// or: await connect(url, { source: '/shop' })

const handled: string[] = [];
const billing = await bus.events.subscribe(Orders, 'billing', (order) => {
  handled.push(order.orderId);
});
await bus.events.publish(Orders, { orderId: '42' });
// #endregion example
import { until } from './until.ts';
await until(() => handled.includes('42'));
assert.equal(billing.stats().failed, 0);
await billing.close();
await bus.events.unsubscribe(Orders, 'billing', { discard: true });
