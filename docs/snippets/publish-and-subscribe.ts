import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { BusError, batch, connect, reject, retryAfter, topic } from '@duobus/core';
import { until } from './until.ts';

interface Order {
  readonly orderId: string;
  readonly customer: string;
  readonly cents: number;
}
const Orders = topic<Order>('orders', { key: (order) => order.customer });
await using bus = await connect(process.env.BUS_URL, { source: '/shop' });
const book = new Map<string, number>();
const first: Order = { orderId: '1', customer: 'ada', cents: 100 };

// #region subscribe
const billing = await bus.events.subscribe(
  Orders,
  'billing',
  async (order, delivery) => {
    book.set(order.orderId, delivery.attempt);
  },
  { concurrency: 32 },
);
// #endregion subscribe

// #region publish
const receipt = await bus.events.publish(Orders, first, { correlationId: 'checkout-7' });
console.log(receipt.id); // the document's id: a UUIDv7, made here
// #endregion publish
await until(() => book.size === 1);

// #region publish-many
const results = await bus.events.publishMany(Orders, [
  { orderId: '2', customer: 'ben', cents: 200 },
  { orderId: '3', customer: 'cleo', cents: 300 },
]);
const failed = results.filter((result) => result.status === 'rejected');
// #endregion publish-many
assert.equal(failed.length, 0);

const publishSafely = async (order: Order): Promise<string> => {
  // #region unknown
  const id = crypto.randomUUID();
  try {
    await bus.events.publish(Orders, order, { id });
  } catch (error) {
    if (!BusError.is(error)) throw error; // a TypeError: fix the call
    if (error.outcome !== 'unknown') throw error; // 'rejected': certainly not stored
    await bus.events.publish(Orders, order, { id }); // the same id: idempotent consumers see one
  }
  // #endregion unknown
  return id;
};
assert.match(await publishSafely({ ...first, orderId: '4' }), /-/);

class CardDeclined extends Error {}
const gateway = { busy: true };
const charge = async ({ orderId }: Order): Promise<void> => {
  await sleep(1);
  if (orderId === 'declined') throw new CardDeclined();
  if (gateway.busy) {
    gateway.busy = false;
    throw new Error('busy');
  }
  book.set(`charged ${orderId}`, 1);
};
// #region outcomes
await bus.events.subscribe(Orders, 'payment', async (order) => {
  try {
    await charge(order); // returns: the document is settled, for good
  } catch (error) {
    if (error instanceof CardDeclined) throw reject('card declined'); // a dead letter at once
    throw retryAfter(50, error); // again in 50 ms; any other error: after the backoff
  }
});
// #endregion outcomes
await bus.events.publish(Orders, { ...first, orderId: 'paid' });
await bus.events.publish(Orders, { ...first, orderId: 'declined' });
await until(() => book.has('charged paid'));
await until(async () => (await bus.events.depth(Orders, 'payment')).dead === 1);

const index: Order[] = [];
// #region batch
await bus.events.subscribe(
  Orders,
  'search',
  batch(
    async (items) => {
      index.push(...items.map(({ document }) => document));
    },
    { size: 200, waitMs: 20 },
  ),
);
// #endregion batch
await bus.events.publish(Orders, first);
await until(() => index.length === 1);

// #region types
import { z } from 'zod';

const Payments = topic('payments', {
  key: (payment) => payment.orderId,
  types: {
    'payment.made': z.object({ orderId: z.string(), cents: z.int() }),
    'payment.refunded': z.object({ orderId: z.string(), reason: z.string() }),
  },
});

await bus.events.subscribe(Payments, 'accounts', {
  'payment.made': (made) => book.set(made.orderId, made.cents),
  'payment.refunded': (refunded) => book.delete(refunded.orderId),
});
await bus.events.publish(Payments, { orderId: '5', cents: 500 }, { type: 'payment.made' });
// #endregion types
await until(() => book.get('5') === 500);
await billing.close();
