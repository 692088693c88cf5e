import assert from 'node:assert/strict';
import { connect, topic } from '@duobus/core';
import { until } from './until.ts';

const Orders = topic<{ orderId: string; country: string }>('orders');
await using bus = await connect(process.env.BUS_URL, { source: '/shop' });
const rates = new Map([['DE', 0.19]]);
const invoiced: string[] = [];

// #region subscribe
await bus.events.subscribe(
  Orders,
  'billing',
  (order) => {
    const rate = rates.get(order.country);
    if (rate === undefined) throw new Error(`no VAT rate for ${order.country}`);
    invoiced.push(order.orderId);
  },
  { maxAttempts: 3, backoff: { firstMs: 50 } },
);
// #endregion subscribe
await bus.events.publish(Orders, { orderId: '1', country: 'AT' });
await bus.events.publish(Orders, { orderId: '2', country: 'DE' });
await until(async () => (await bus.events.depth(Orders, 'billing')).dead === 1);

// #region list
const dead = bus.events.deadLetters(Orders, 'billing');
for await (const letter of dead) {
  console.log(letter.id, letter.reason, letter.message, `after ${letter.attempts} attempts`);
}
// #endregion list
let listed = 0;
for await (const letter of dead) {
  listed += 1;
  assert.deepEqual(
    [letter.reason, letter.attempts, letter.message],
    ['attempts', 3, 'no VAT rate for AT'],
  );
}
assert.equal(listed, 1);

// #region redrive
rates.set('AT', 0.2); // first the fix
await dead.redrive({ reason: 'attempts' });
// #endregion redrive
await until(() => invoiced.includes('1'));

// #region purge
const weekAgo = Date.now() - 7 * 24 * 60 * 60 * 1_000;
await dead.purge({ where: (letter) => letter.deadAt < weekAgo });
// #endregion purge
assert.equal((await bus.events.depth(Orders, 'billing')).dead, 0);
