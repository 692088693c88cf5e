import assert from 'node:assert/strict';
import { connect, idempotent, memoryStore, topic } from '@duobus/core';
import { until } from './until.ts';

const Orders = topic<{ orderId: string; quantity: number; cents: number }>('orders');
let revenue = 0;
const mails: string[] = [];

// #region store
const store = memoryStore(); // in production: one in your database, next to the effect
await using bus = await connect(process.env.BUS_URL, { source: '/shop', store });
// #endregion store
await bus.data.publish(Orders, { orderId: '1', quantity: 2, cents: 100 });

// #region handler
const buggy = idempotent<{ orderId: string; cents: number }>(
  async (order, delivery) => {
    await delivery.once('thank-you-mail', () => mails.push(order.orderId));
    revenue += order.cents; // forgets the quantity
  },
  { store, scope: 'revenue-v1' },
);
const group = await bus.data.subscribe(Orders, 'analytics', buggy);
// #endregion handler
await until(() => revenue > 0);
assert.equal(revenue, 100);

// #region mended
await group.close();
revenue = 0;
const mended = idempotent<{ orderId: string; quantity: number; cents: number }>(
  async (order, delivery) => {
    await delivery.once('thank-you-mail', () => mails.push(order.orderId)); // keeps its scope
    revenue += order.quantity * order.cents;
  },
  { store, scope: 'revenue-v2' }, // takes a new one: a replay runs it again
);
await bus.data.reset(Orders, 'analytics', 'earliest');
await bus.data.subscribe(Orders, 'analytics', mended);
// #endregion mended
await until(() => revenue > 0);
assert.deepEqual([revenue, mails], [200, ['1']]);
