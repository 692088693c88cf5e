import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './until.ts';

const folder = mkdtempSync(join(tmpdir(), 'duobus-'));
process.once('exit', () => rmSync(folder, { recursive: true }));
const file = join(folder, 'shop.db');

// #region use
import { connect, registerAdapter, topic } from '@duobus/core';
import * as sqlite from './sqlite/index.ts';

registerAdapter('sqlite', sqlite);

const Orders = topic<{ orderId: string }>('orders');
const bus = await connect(`sqlite:${file}`, { source: '/shop' });
// #endregion use
const handled: string[] = [];
const billing = await bus.events.subscribe(Orders, 'billing', (order) =>
  handled.push(order.orderId),
);
await billing.close();
await bus.events.publish(Orders, { orderId: '1' });
await bus.close();

await using again = await connect(`sqlite:${file}`, { source: '/shop' });
await again.events.subscribe(Orders, 'billing', (order) => handled.push(order.orderId));
await until(() => handled.length === 1);
await until(async () => (await again.events.depth(Orders, 'billing')).total === 0);
assert.deepEqual(handled, ['1']);
