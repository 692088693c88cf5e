import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './until.ts';

const folder = mkdtempSync(join(tmpdir(), 'duobus-'));
process.once('exit', () => rmSync(folder, { recursive: true }));
process.chdir(folder);

// #region inbox
import { connect, idempotent, topic } from '@duobus/core';
import { sqliteInbox, type SqliteTransaction } from '@duobus/sqlite';

const inbox = sqliteInbox('shop.db');

const Orders = topic<{ orderId: string; cents: number }>('orders');
const bus = await connect(process.env.BUS_URL, { source: '/shop' });

const billing = idempotent(
  (order: { orderId: string; cents: number }, _delivery, tx: SqliteTransaction) => {
    tx.exec('CREATE TABLE IF NOT EXISTS invoices (order_id TEXT, cents INTEGER) STRICT');
    tx.prepare('INSERT INTO invoices VALUES (?, ?)').run(order.orderId, order.cents);
  },
  { store: inbox, scope: 'invoices-v1' },
);
await bus.events.subscribe(Orders, 'billing', billing);
// #endregion inbox
await bus.events.publish(Orders, { orderId: '1', cents: 700 }, { id: 'the-same' });
await bus.events.publish(Orders, { orderId: '1', cents: 700 }, { id: 'the-same' });
await until(async () => (await bus.events.depth(Orders, 'billing')).total === 0);
const { value } = await inbox.transaction('look', async (tx) =>
  tx.prepare('SELECT count(*) AS n FROM invoices').get(),
);
assert.equal(value?.['n'], 1);

// #region close
await bus.close(); // first: its handlers may still write
await inbox.close();
// #endregion close
