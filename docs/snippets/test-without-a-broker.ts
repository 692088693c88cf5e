/* oxlint-disable typescript/no-floating-promises */
// #region service
import { type Bus, connect, type Handle, topic } from '@duobus/core';

export const Orders = topic<{ orderId: string; cents: number }>('orders');

export function startBilling(bus: Bus, invoices: Map<string, number>): Promise<Handle> {
  return bus.events.subscribe(Orders, 'billing', (order) => {
    invoices.set(order.orderId, order.cents);
  });
}
// #endregion service

// #region test
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { memory } from '@duobus/memory';

it('writes an invoice for every order', async () => {
  await using bus = await connect(memory(), { source: '/test' }); // a broker of its own
  const invoices = new Map<string, number>();
  const billing = await startBilling(bus, invoices);
  await bus.events.publish(Orders, { orderId: '1', cents: 4_200 });
  await billing.close(); // takes no more, and lets what runs finish
  while ((await bus.events.depth(Orders, 'billing')).total > 0) {
    await (await startBilling(bus, invoices)).close();
  }
  assert.equal(invoices.get('1'), 4_200);
});
// #endregion test
