// #region make
import { connect, topic } from '@duobus/core';
import { startRelay } from '@duobus/outbox';
import { postgresOutbox } from '@duobus/postgres';
import pg from 'pg';

const Orders = topic<{ orderId: string; cents: number }>('orders', { key: (o) => o.orderId });

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL });
pool.on('error', (error) => console.error(error)); // an idle connection broke: pg asks for this

const outbox = postgresOutbox({ source: '/shop', pool });
await outbox.migrate(); // creates the tables; any number of processes may call it
// #endregion make
await pool.query('create table orders (id text primary key, cents integer not null)');

// #region write
async function placeOrder(orderId: string, cents: number): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query('begin');
    await client.query('insert into orders (id, cents) values ($1, $2)', [orderId, cents]);
    await outbox.publish(client, Orders, { orderId, cents });
    await client.query('commit');
  } catch (error) {
    await client.query('rollback');
    throw error;
  } finally {
    client.release();
  }
}
// #endregion write

// #region relay
const bus = await connect(process.env.BUS_URL, { source: '/shop' });
const relay = await startRelay(outbox, bus);
// #endregion relay

const mailed: string[] = [];
await bus.events.subscribe(Orders, 'mail', ({ orderId }) => mailed.push(orderId));
await placeOrder('42', 1_000);
await until(() => mailed.includes('42'));

// #region kysely
import { CompiledQuery, Kysely, PostgresDialect } from 'kysely';

interface Tables {
  orders: { id: string; cents: number };
}
const kysely = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
await kysely.transaction().execute(async (trx) => {
  await trx.insertInto('orders').values({ id: '43', cents: 500 }).execute();
  await outbox.publish(
    (text, params) => trx.executeQuery(CompiledQuery.raw(text, params)),
    Orders,
    { orderId: '43', cents: 500 },
  );
});
// #endregion kysely

// #region drizzle
import { drizzle } from 'drizzle-orm/node-postgres';
import { type SQL, sql } from 'drizzle-orm/sql';

/** $1, $2, ... as Drizzle has them. */
function asDrizzle(text: string, params: unknown[]): SQL {
  const [first = '', ...rest] = text.split(/\$\d+/);
  const parts = rest.flatMap((part, at) => [sql`${params[at]}`, sql.raw(part)]);
  return sql.join([sql.raw(first), ...parts]);
}

await drizzle({ client: pool }).transaction(async (trx) => {
  await trx.execute(sql`insert into orders (id, cents) values ('44', 700)`);
  await outbox.publish((text, params) => trx.execute(asDrizzle(text, params)), Orders, {
    orderId: '44',
    cents: 700,
  });
});
// #endregion drizzle

await until(() => mailed.includes('43') && mailed.includes('44'));

// #region watch
const { ok, problems, lag } = await relay.health();
console.log(ok, problems, lag?.rows, lag?.ms, lag?.setAside);
// #endregion watch

// #region failed
for await (const { id, topic: name, reason } of outbox.failed()) {
  console.log(name, reason.code, reason.message);
  await outbox.retry(id); // its cause is mended: it is published, then what waits behind it
  // or: await outbox.discard(id)
}
// #endregion failed

// #region close
await relay.close(); // what is in flight is confirmed and deleted, another relay takes over
await bus.close();
await pool.end();
// #endregion close

import { until } from './until.ts';
