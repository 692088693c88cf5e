import assert from 'node:assert/strict';

// #region topic
import { connect, topic } from '@duobus/core';

interface OrderPlaced {
  readonly orderId: string;
  readonly customer: string;
  readonly cents: number;
}

const Orders = topic<OrderPlaced>('orders', { key: (order) => order.customer });
// #endregion topic

// #region connect
await using bus = await connect(process.env.BUS_URL, { source: '/shop' });
// #endregion connect

const invoices: string[] = [];
const mails: string[] = [];
// #region events
await bus.events.subscribe(Orders, 'billing', (order) => {
  invoices.push(order.orderId);
});
await bus.events.subscribe(Orders, 'mail', (order) => {
  mails.push(order.customer);
});

await bus.events.publish(Orders, { orderId: '1', customer: 'ada', cents: 4_200 });
// #endregion events

// #region data
for (const cents of [4_200, 1_800, 990]) {
  await bus.data.publish(Orders, { orderId: `${cents}`, customer: 'ada', cents });
}

let revenue = 0;
const analytics = await bus.data.subscribe(Orders, 'analytics', (order) => {
  revenue += order.cents;
});
// #endregion data

// #region wait
const receipt = await bus.data.publish(Orders, { orderId: '9', customer: 'ben', cents: 10 });
await bus.data.waitFor(Orders, 'analytics', receipt, { timeoutMs: 10_000 });
console.log(revenue); // 4200 + 1800 + 990 + 10 = 7000
// #endregion wait
assert.equal(revenue, 7_000);

// #region replay
await analytics.close();
revenue = 0;
await bus.data.reset(Orders, 'analytics', 'earliest');

await bus.data.subscribe(Orders, 'analytics', (order) => {
  revenue += order.cents;
});
await bus.data.waitFor(Orders, 'analytics', receipt, { timeoutMs: 10_000 });
console.log(revenue); // 7000 again
// #endregion replay
assert.equal(revenue, 7_000);
assert.deepEqual([invoices, mails], [['1'], ['ada']]);
