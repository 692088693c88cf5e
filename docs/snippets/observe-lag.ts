import assert from 'node:assert/strict';
import { connect, topic } from '@duobus/core';
import { until } from './until.ts';

const Orders = topic<{ orderId: string }>('orders');
const failures: string[] = [];

// #region instrument
await using bus = await connect(process.env.BUS_URL, {
  source: '/shop',
  instrument: {
    event(event) {
      if (event.type === 'failed') failures.push(`${event.name} attempt ${event.attempt}`);
    },
  },
});
// #endregion instrument
let attempts = 0;
const group = await bus.data.subscribe(Orders, 'analytics', () => {
  attempts += 1;
  if (attempts === 1) throw new Error('not yet');
});
await bus.events.subscribe(Orders, 'billing', () => undefined);
const receipt = await bus.data.publish(Orders, { orderId: '1' });

// #region wait
const { outcome } = await bus.data.waitFor(Orders, 'analytics', receipt, { timeoutMs: 5_000 });
// #endregion wait
assert.deepEqual([outcome, failures], ['done', ['analytics attempt 1']]);

// #region lag
const lag = await bus.data.lag(Orders, 'analytics');
console.log(`${lag.records} documents and ${lag.ms} ms behind`);
// #endregion lag
await until(async () => (await bus.data.lag(Orders, 'analytics')).records === 0);

// #region depth
const { ready, leased, delayed, dead } = await bus.events.depth(Orders, 'billing');
console.log({ ready, leased, delayed, dead });
// #endregion depth
assert.equal(dead, 0);

// #region health
const { ok, handles } = await bus.health();
for (const { name, state, detail } of handles) console.log(name, state, detail ?? '');
// #endregion health
assert.equal(ok, true);

// #region neglected
for (const { topic: of, name, forMs } of (await bus.health()).neglected)
  console.log(`nobody has consumed ${name} of ${of} for ${Math.round(forMs / 60_000)} minutes`);
// #endregion neglected

// #region stats
const { handled, failed, held, lastHandledAt } = group.stats();
// #endregion stats
assert.deepEqual([handled, failed, held, typeof lastHandledAt], [1, 1, 0, 'number']);
