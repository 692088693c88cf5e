import { connect, idempotent, topic } from '@duobus/core';
import pg from 'pg';
import { postgresInbox } from '../../src/index.ts';

/** What a process that consumes is told. */
export interface Consuming {
  readonly bus: string;
  readonly database: string;
  readonly topic: string;
  /** In a bus of its own it publishes so many documents itself, the same as every other, beginning at another. */
  readonly publishes?: { readonly count: number; readonly first: number };
}

const {
  bus: url,
  database,
  topic: name,
  publishes,
} = JSON.parse(process.argv[2] ?? '') as Consuming;
const pool = new pg.Pool({ connectionString: database, max: 4 });
const inbox = postgresInbox<pg.PoolClient>(pool);
const orders = topic<string>(name);
const bus = await connect(url, { source: '/test', store: inbox });

const handler = idempotent(
  async (order: string, delivery, tx) => {
    await tx.query('INSERT INTO effects VALUES ($1)', [`${name} order ${order}`]);
    await delivery.once('mail', async (own) =>
      (own as pg.PoolClient).query('INSERT INTO effects VALUES ($1)', [`${name} mail ${order}`]),
    );
    process.send?.(order);
  },
  { store: inbox, scope: 'orders' },
);
await bus.events.subscribe(orders, 'billing', handler, {
  concurrency: 5,
  maxCrashes: 30, // whoever is killed so often is not the document's fault
});

if (publishes !== undefined) {
  const { count, first } = publishes;
  const numbers = Array.from({ length: count }, (_, index) => String((index + first) % count));
  await bus.events.publishMany(
    orders,
    numbers.map((document) => ({ document, options: { id: `order-${document}` } })),
  );
}
process.once('disconnect', () => {
  bus.close().then(
    () => pool.end(),
    () => process.exit(1),
  );
});
const looking = setInterval(() => {
  bus.events.depth(orders, 'billing').then(
    ({ total, dead }) => {
      if (total - dead > 0) return;
      clearInterval(looking);
      if (process.connected) process.send?.('drained');
    },
    () => undefined, // the bus is being closed
  );
}, 50);
