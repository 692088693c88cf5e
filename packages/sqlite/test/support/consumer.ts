import { connect, idempotent, topic } from '@duobus/core';
import { sqliteInbox, type SqliteTransaction } from '../../src/index.ts';

/** What a process that consumes is told: it publishes as many documents as every other, beginning at another. */
export interface Consuming {
  readonly orders: string;
  readonly mails: string;
  readonly count: number;
  readonly first: number;
}

const { orders: path, mails, count, first } = JSON.parse(process.argv[2] ?? '') as Consuming;
const inbox = sqliteInbox({ path, busyTimeoutMs: 60_000 });
const store = sqliteInbox({ path: mails, busyTimeoutMs: 60_000 });
const orders = topic<string>('orders');
const bus = await connect('memory:', { source: '/test', store });

const insert = (tx: SqliteTransaction, effect: string): void =>
  void tx.prepare('INSERT INTO effects VALUES (?)').run(effect);

const handler = idempotent(
  async (order: string, delivery, tx: SqliteTransaction) => {
    insert(tx, order);
    await delivery.once('mail', (own) => insert(own as SqliteTransaction, order));
    process.send?.(order);
  },
  { store: inbox, scope: 'orders' },
);
await bus.events.subscribe(orders, 'billing', handler, { concurrency: 5 });

const numbers = Array.from({ length: count }, (_, index) => String((index + first) % count));
await bus.events.publishMany(
  orders,
  numbers.map((document) => ({ document, options: { id: `order-${document}` } })),
);

/** Looks until nothing is left, and ends by itself. */
const looking = setInterval(() => {
  bus.events.depth(orders, 'billing').then(
    ({ total }) => {
      if (total > 0) return;
      clearInterval(looking);
      process.send?.('drained');
    },
    () => process.exit(1),
  );
}, 50);

process.once('disconnect', () => {
  Promise.all([bus.close(), inbox.close(), store.close()]).catch(() => process.exit(1));
});
