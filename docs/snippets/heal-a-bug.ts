import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { until } from './until.ts';

const folder = mkdtempSync(join(tmpdir(), 'duobus-'));
process.once('exit', () => rmSync(folder, { recursive: true }));
process.chdir(folder);

const mails: string[] = [];
const sendMail = async (to: string): Promise<void> => void mails.push(to);

// #region setting
import { connect, type Delivery, idempotent, topic } from '@duobus/core';
import { sqliteInbox, type SqliteTransaction } from '@duobus/sqlite';

interface Order {
  readonly orderId: string;
  readonly customer: string;
  readonly quantity: number;
  readonly cents: number;
}
const Orders = topic<Order>('orders', { key: (order) => order.customer });

const database = new DatabaseSync('shop.db');
database.exec('CREATE TABLE revenue (order_id TEXT PRIMARY KEY, cents INTEGER) STRICT');

const inbox = sqliteInbox('shop.db'); // commits with the read model
const mailed = sqliteInbox('mailed.db'); // commits for itself, also when the read model fails
const bus = await connect(process.env.BUS_URL, { source: '/shop', store: mailed });
// #endregion setting

// #region buggy
const save = (tx: SqliteTransaction, orderId: string, cents: number): unknown =>
  tx
    .prepare('INSERT INTO revenue VALUES (?, ?) ON CONFLICT DO UPDATE SET cents = excluded.cents')
    .run(orderId, cents);

const buggy = idempotent(
  async (order: Order, delivery: Delivery, tx: SqliteTransaction) => {
    await delivery.once('thank-you-mail', () => sendMail(order.customer));
    save(tx, order.orderId, order.cents); // forgets the quantity
  },
  { store: inbox, scope: 'revenue-v1' },
);
const group = await bus.data.subscribe(Orders, 'analytics', buggy);
// #endregion buggy
const days = [
  { orderId: '1', customer: 'ada', quantity: 2, cents: 100 },
  { orderId: '2', customer: 'bob', quantity: 1, cents: 300 },
  { orderId: '3', customer: 'ada', quantity: 5, cents: 10 },
];
const receipts = [];
for (const order of days) receipts.push(await bus.data.publish(Orders, order));
for (const receipt of receipts)
  await bus.data.waitFor(Orders, 'analytics', receipt, { timeoutMs: 20_000 });

const revenue = (): unknown =>
  database.prepare('SELECT sum(cents) AS sum FROM revenue').get()?.['sum'];
assert.equal(revenue(), 410);
assert.deepEqual(mails.toSorted(), ['ada', 'ada', 'bob']);

// #region mended
const mended = idempotent(
  async (order: Order, delivery: Delivery, tx: SqliteTransaction) => {
    await delivery.once('thank-you-mail', () => sendMail(order.customer)); // keeps its scope
    save(tx, order.orderId, order.quantity * order.cents);
  },
  { store: inbox, scope: 'revenue-v2' }, // takes a new one
);
// #endregion mended

// #region replay
await group.close(); // every consumer of the old version has to be gone
const moves = await bus.data.reset(Orders, 'analytics', 'earliest', { dryRun: true });
console.log(moves); // where each partition is, where it would go, and how many documents that is
await bus.data.reset(Orders, 'analytics', 'earliest');
await bus.data.subscribe(Orders, 'analytics', mended);
// #endregion replay
await until(() => revenue() === 550);
await until(async () => (await bus.data.lag(Orders, 'analytics')).records === 0);
assert.deepEqual(mails.toSorted(), ['ada', 'ada', 'bob']);

// #region again
await bus.data.reset(Orders, 'analytics', 'earliest'); // once more: nothing happens
// #endregion again
await until(async () => (await bus.data.lag(Orders, 'analytics')).records === 0);
assert.equal(revenue(), 550);
assert.deepEqual(mails.toSorted(), ['ada', 'ada', 'bob']);

await bus.close();
await Promise.all([inbox.close(), mailed.close()]);
database.close();
