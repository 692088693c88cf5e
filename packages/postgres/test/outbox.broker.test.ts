import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { connect, topic } from '@duobus/core';
import { startRelay } from '@duobus/outbox';
import { postgresOutbox } from '../src/index.ts';
import { signal } from './support/outbox-signal.ts';
import { type Database, inTransaction, startDatabase } from './support/outbox-database.ts';

interface Order {
  readonly orderId: string;
  readonly n?: number;
}
const Orders = topic<Order>('orders', { key: (order) => order.orderId });

let database: Database;
before(async () => {
  database = await startDatabase();
});
after(() => database[Symbol.asyncDispose]());

describe('postgresOutbox', () => {
  it('publishes what is committed, and nothing that is rolled back', async () => {
    const pool = database.pool();
    const outbox = postgresOutbox({ source: '/shop', pool, schema: database.schema() });
    await outbox.migrate();
    await using bus = await connect('memory:', { source: '/relay' });
    const got: unknown[] = [];
    const all = signal();
    await bus.events.subscribe(Orders, 'all', (order, { id, source, key }) => {
      got.push([order, id, source, key]);
      if (order.n === 3) all.ring();
    });
    const first = await inTransaction(pool, (tx) =>
      outbox.publish(tx, Orders, { orderId: 'a', n: 1 }),
    );
    await assert.rejects(
      inTransaction(pool, async (tx) => {
        await outbox.publish(tx, Orders, { orderId: 'a', n: 2 });
        throw new Error('no');
      }),
      /^Error: no$/,
    );
    const last = await inTransaction(pool, (tx) =>
      outbox.publish(tx, Orders, { orderId: 'a', n: 3 }),
    );
    await using relay = await startRelay(outbox, bus);
    await all.rung;
    assert.deepEqual(got, [
      [{ orderId: 'a', n: 1 }, first, '/shop', 'a'],
      [{ orderId: 'a', n: 3 }, last, '/shop', 'a'],
    ]);
    assert.equal(relay.state, 'active');
    await relay.close();
    assert.deepEqual(await outbox.lag(), { rows: 0, ms: 0, behind: 0, setAside: 0 });
  });
});
