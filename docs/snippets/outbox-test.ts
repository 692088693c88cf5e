/* oxlint-disable typescript/no-floating-promises */
import { topic } from '@duobus/core';
import { type MemoryTransaction, type Outbox } from '@duobus/outbox';

const Orders = topic<{ orderId: string }>('orders');

async function placeOrder(
  outbox: Outbox<MemoryTransaction>,
  tx: MemoryTransaction,
  orderId: string,
): Promise<void> {
  await outbox.publish(tx, Orders, { orderId });
}

// #region test
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { testBus } from '@duobus/core/testing';
import { memoryOutbox, startRelay } from '@duobus/outbox';

it('publishes the order that was placed', async () => {
  await using bus = await testBus();
  const outbox = memoryOutbox({ source: '/shop' });
  await using _relay = await startRelay(outbox, bus);
  const tx = outbox.begin();
  await placeOrder(outbox, tx, '42');
  tx.commit();
  await until(() => bus.published(Orders).length > 0);
  assert.deepEqual(bus.published(Orders)[0]?.document, { orderId: '42' });
});
// #endregion test

import { until } from './until.ts';
