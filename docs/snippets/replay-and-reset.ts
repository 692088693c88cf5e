import assert from 'node:assert/strict';
import { BusError, connect, topic } from '@duobus/core';
import { until } from './until.ts';

interface Order {
  readonly orderId: string;
  readonly cents: number;
}
const Orders = topic<Order>('orders', { key: (order) => order.orderId });
await using bus = await connect(process.env.BUS_URL, { source: '/shop' });
const handled: string[] = [];
for (const n of [1, 2, 3]) await bus.data.publish(Orders, { orderId: `${n}`, cents: n });

// #region join
const group = await bus.data.subscribe(
  Orders,
  'analytics',
  (order) => handled.push(order.orderId),
  {
    from: 'earliest', // the default; 'latest', { time } and { positions } are the others
  },
);
console.log(group.resumed); // false: there was no pointer yet, so `from` applied
// #endregion join
assert.equal(group.resumed, false);
const lagIs0 = async (): Promise<boolean> =>
  (await bus.data.lag(Orders, 'analytics')).records === 0;
await until(() => handled.length === 3);
await until(lagIs0);

// #region dry-run
const { moves } = await bus.data.reset(Orders, 'analytics', 'earliest', { dryRun: true });
for (const { partition, from, to, count } of moves) {
  console.log(`partition ${partition}: ${count} documents again (${from} -> ${to})`);
}
// #endregion dry-run
assert.equal(
  moves.reduce((sum, { count }) => sum + count, 0),
  3,
);

// #region reset
await bus.data.reset(Orders, 'analytics', 'earliest');
await bus.data.reset(Orders, 'analytics', { time: Date.now() - 3_600_000 }); // an hour back
await bus.data.reset(Orders, 'analytics', 'latest');
// #endregion reset

// #region positions
const bookmark = await bus.data.pointers(Orders, 'analytics'); // plain JSON: store it anywhere
await bus.data.publish(Orders, { orderId: '4', cents: 4 });
await bus.data.reset(Orders, 'analytics', { positions: bookmark });
// #endregion positions
await until(() => handled.includes('4'));

// #region gone
try {
  await bus.data.reset(Orders, 'analytics', { positions: { 0: 'v1.other.0.12' } });
} catch (error) {
  if (!BusError.is(error)) throw error;
  console.log(error.code); // DUOBUS_INVALID or DUOBUS_POSITION_GONE: nothing has moved
}
// #endregion gone

const titles: (string | undefined)[] = [];
// #region read
for await (const entry of bus.data.read(Orders, { from: 'earliest', limit: 100 })) {
  if (entry.error) console.error(`not readable at ${entry.position}: ${entry.error.message}`);
  else titles.push(entry.document.orderId);
}
// #endregion read
assert.deepEqual(new Set(titles), new Set(['1', '2', '3', '4']));
