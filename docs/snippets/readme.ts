import assert from 'node:assert/strict';

const sent: string[] = [];
const mail = (to: string): void => void sent.push(to);
const seen: string[] = [];
const count = (orderId: string): void => void seen.push(orderId);
// #region program
import { connect, topic } from '@duobus/core';

const Orders = topic<{ orderId: string; customer: string }>('orders', { key: (o) => o.customer });

// A URL, or one for each bus: connect({ events, data }, ...). The only line that knows the broker
await using bus = await connect(process.env.BUS_URL, { source: '/shop/orders' });

// Event bus: every subscription has a queue of its own, reading removes
await bus.events.subscribe(Orders, 'mail', async (order) => mail(order.customer));
await bus.events.publish(Orders, { orderId: '42', customer: 'ada' }); // resolved: stored durably

// Data bus: a log that is kept, every group has a pointer of its own
const receipt = await bus.data.publish(Orders, { orderId: '42', customer: 'ada' });
await bus.data.subscribe(Orders, 'analytics', (order) => count(order.orderId)); // from the beginning
await bus.data.waitFor(Orders, 'analytics', receipt, { timeoutMs: 5_000 }); // eventual: until now
await bus.data.reset(Orders, 'analytics', 'earliest'); // once more, from the beginning
// #endregion program
await bus.data.waitFor(Orders, 'analytics', receipt, { timeoutMs: 5_000 });
assert.deepEqual([sent, seen], [['ada'], ['42', '42']]);
