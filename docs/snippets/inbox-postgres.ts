import assert from 'node:assert/strict';
import { until } from './until.ts';

const mails: string[] = [];
const sendMail = async (to: string): Promise<void> => void mails.push(to);

// #region inbox
import { connect, idempotent, topic } from '@duobus/core';
import { postgresInbox } from '@duobus/postgres';
import pg from 'pg';

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 });
pool.on('error', (error) => console.error(error)); // connections that nobody is using
const inbox = postgresInbox<pg.PoolClient>(pool);
await inbox.migrate(); // creates its table: call it when you deploy
// #endregion inbox
await pool.query(
  'CREATE TABLE IF NOT EXISTS invoices (order_id text, cents int); TRUNCATE invoices, duobus_inbox',
);

// #region handler
interface Order {
  readonly orderId: string;
  readonly customer: string;
  readonly cents: number;
}
const Orders = topic<Order>('orders');

const bus = await connect(process.env.BUS_URL, { source: '/shop', store: inbox.marks });

const billing = idempotent(
  async (order: Order, delivery, tx: pg.PoolClient) => {
    await tx.query('INSERT INTO invoices VALUES ($1, $2)', [order.orderId, order.cents]);
    await delivery.once('invoice-mail', () => sendMail(order.customer));
  },
  { store: inbox, scope: 'invoices-v1' },
);
await bus.events.subscribe(Orders, 'billing', billing, { concurrency: 8 });
// #endregion handler
const order = { orderId: '1', customer: 'ada', cents: 700 };
await bus.events.publish(Orders, order, { id: 'the-same' });
await bus.events.publish(Orders, order, { id: 'the-same' });
await until(async () => (await bus.events.depth(Orders, 'billing')).total === 0);
assert.deepEqual((await pool.query('SELECT * FROM invoices')).rows, [
  { order_id: '1', cents: 700 },
]);
assert.deepEqual(mails, ['ada']);

// #region drizzle
import { drizzle } from 'drizzle-orm/node-postgres';
import { integer, pgTable, text } from 'drizzle-orm/pg-core';

const invoices = pgTable('invoices', { orderId: text('order_id'), cents: integer('cents') });

const withDrizzle = idempotent(
  async (order: Order, _delivery, tx: pg.PoolClient) => {
    await drizzle(tx).insert(invoices).values({ orderId: order.orderId, cents: order.cents });
  },
  { store: inbox, scope: 'invoices-v2' },
);
// #endregion drizzle

// #region kysely
import { Kysely, PostgresDialect } from 'kysely';

interface Database {
  invoices: { order_id: string; cents: number };
}

const databaseOf = (tx: pg.PoolClient): Kysely<Database> =>
  new Kysely({
    dialect: new PostgresDialect({
      pool: { options: {}, connect: async () => tx, end: async () => undefined },
    }),
  });

const withKysely = idempotent(
  async (order: Order, _delivery, tx: pg.PoolClient) => {
    const { orderId: order_id, cents } = order;
    await databaseOf(tx).insertInto('invoices').values({ order_id, cents }).execute();
  },
  { store: inbox, scope: 'invoices-v3' },
);
// #endregion kysely
await bus.events.subscribe(Orders, 'drizzle', withDrizzle);
await bus.events.subscribe(Orders, 'kysely', withKysely);
await bus.events.publish(Orders, { ...order, orderId: '2' });
await until(async () => (await pool.query('SELECT 1 FROM invoices')).rowCount === 4);

// #region expire
await inbox.expire(10_000); // resolves to how many there were
// #endregion expire
await bus.close();
await pool.end();
