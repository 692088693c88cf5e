import assert from 'node:assert/strict';

// #region example
import { connect, topic } from '@duobus/core';
import { memory } from '@duobus/memory';

const Orders = topic<{ orderId: string }>('orders');

await using bus = await connect(memory(), { source: '/shop' });
// or: await connect('memory://shop', { source: '/shop' })

const handled: string[] = [];
const billing = await bus.events.subscribe(Orders, 'billing', (order) => {
  handled.push(order.orderId);
});
await bus.events.publish(Orders, { orderId: '42' });
// #endregion example
import { until } from './until.ts';
await until(() => handled.length === 1);
assert.equal(billing.stats().failed, 0);
