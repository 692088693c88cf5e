import assert from 'node:assert/strict';

// #region example
import { connect, topic } from '@duobus/core';

const Orders = topic<{ orderId: string }>('orders', { key: (order) => order.orderId });

// sns+sqs://<region>/<bucket>; credentials as the AWS SDK finds them
const url = process.env.AWS_BUS_URL ?? 'sns+sqs://eu-central-1/my-bucket';
await using bus = await connect(url, { source: '/shop' });
// or: connect(snsSqs({ region: 'eu-central-1', bucket: 'my-bucket' }), { source: '/shop' })

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
