/* oxlint-disable typescript/no-floating-promises */
// #region service
import { type Bus, type Handler, reject, topic } from '@duobus/core';

interface Order {
  readonly orderId: string;
  readonly cents: number;
}
export const Orders = topic<Order>('orders');
export const Invoices = topic<{ orderId: string }>('invoices');

export const bill: Handler<Order> = async ({ orderId, cents }, delivery) => {
  if (cents < 0) throw reject('an order cannot cost less than nothing');
  if (delivery.attempt === 1 && orderId === 'slow') throw new Error('the bank is busy');
  await delivery.publish(Invoices, { orderId });
};

export const startBilling = (bus: Bus) => bus.events.subscribe(Orders, 'billing', bill);
// #endregion service

// #region test
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { testBus } from '@duobus/core/testing';

it('writes an invoice for every order', async () => {
  await using bus = await testBus();
  await startBilling(bus);
  await bus.events.publish(Orders, { orderId: '1', cents: 4_200 });
  await bus.idle(); // every handler has handled what is there
  assert.deepEqual(
    bus.published(Invoices).map(({ document }) => document),
    [{ orderId: '1' }],
  );
});
// #endregion test

// #region time
it('tries again when the bank is busy', async () => {
  await using bus = await testBus();
  await startBilling(bus);
  await bus.events.publish(Orders, { orderId: 'slow', cents: 4_200 });
  await bus.idle();
  assert.equal(bus.published(Invoices).length, 0);
  await bus.clock.advance(1_000); // time moves only when you say so
  await bus.idle();
  assert.equal(bus.published(Invoices).length, 1);
});
// #endregion time

// #region deliver
it('rejects what cannot be', async () => {
  await using bus = await testBus();
  await assert.rejects(bus.deliver(bill, { orderId: '2', cents: -1 }, { topic: Orders }));
  await bus.deliver(bill, { orderId: 'slow', cents: 1 }, { topic: Orders, attempt: 2 });
  assert.equal(bus.published(Invoices).length, 1);
});
// #endregion deliver
