import assert from 'node:assert/strict';
import { until } from './until.ts';

const billed: string[] = [];
const bill = (orderId: string): void => void billed.push(orderId);
const positions: (string | undefined)[] = [];
const note = (position: string | undefined): void => void positions.push(position);
// #region use
import { connect, topic } from '@duobus/core';

const Orders = topic<{ orderId: string }>('orders', { key: (order) => order.orderId });

await using bus = await connect(process.env.BUS_URL, { source: '/shop/orders' });

await bus.events.subscribe(Orders, 'billing', async (order) => bill(order.orderId));
await bus.events.publish(Orders, { orderId: '42' });

await bus.data.subscribe(Orders, 'analytics', (order, delivery) => note(delivery.position));
const receipt = await bus.data.publish(Orders, { orderId: '42' });
await bus.data.waitFor(Orders, 'analytics', receipt, { timeoutMs: 5_000 });
await bus.data.reset(Orders, 'analytics', { time: '2026-11-01T00:00:00Z' });
// #endregion use
await until(() => billed.length === 1 && positions.length === 2);
assert.equal(positions[0], positions[1]);

const Invoices = topic<{ orderId: string }>('invoices');
const run = async (): Promise<void> => {
  // #region testing
  await using test = await testBus();
  await test.events.subscribe(Orders, 'billing', (order, delivery) =>
    delivery.publish(Invoices, { orderId: order.orderId }),
  );
  await test.events.publish(Orders, { orderId: '42' });
  await test.idle();
  test.published(Invoices); // what the handler published
  // #endregion testing
  assert.equal(test.published(Invoices).length, 1);
};
import { testBus } from '@duobus/core/testing';
await run();
