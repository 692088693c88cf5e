import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, topic } from '@duobus/core';
import { until } from './until.ts';

const Orders = topic<{ orderId: string }>('orders');
const packed: string[] = [];
let started = 0;
const pack = async ({ orderId }: { orderId: string }, signal: AbortSignal): Promise<void> => {
  started += 1;
  await sleep(20, undefined, { signal });
  packed.push(orderId);
};

// #region signals
const bus = await connect(process.env.BUS_URL, { source: '/shipping', graceMs: 10_000 });
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void bus.close());
}
// #endregion signals

// #region handler
const shipping = await bus.events.subscribe(Orders, 'shipping', async (order, delivery) => {
  await pack(order, delivery.signal); // aborted once the grace time is over
});
// #endregion handler
await bus.events.publish(Orders, { orderId: '1' });
await until(() => started === 1);

// #region one
await shipping.close(); // this consumer alone; the subscription stays and keeps collecting
// #endregion one
assert.deepEqual(packed, ['1']);

// #region close
await bus.close({ graceMs: 5_000 });
// #endregion close
await shipping.done;
process.removeAllListeners('SIGINT').removeAllListeners('SIGTERM');
