import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Broker, startBroker } from '@duobus/brokers';
import { type Bus, connect, idempotent, topic } from '@duobus/core';
import pg from 'pg';
import { postgresInbox } from '../src/index.ts';
import { CuttingProxy } from './support/cutting-proxy.ts';
import { newKey, until, useServer, write } from './support/server.ts';

const orders = topic<string>('orders');

async function empty(bus: Bus, name: string): Promise<void> {
  await until(async () => (await bus.events.depth(orders, name)).total === 0);
  for await (const letter of bus.events.deadLetters(orders, name))
    assert.fail(`a dead letter: ${letter.reason}`);
}

describe('postgresInbox and connections that break', () => {
  const server = useServer();

  for (const [cuts, committed] of [
    ['request', false],
    ['answer', true],
  ] as const)
    it(`rejects when COMMIT is lost with its ${cuts}, and the repetition finds the truth`, async () => {
      await using proxy = await CuttingProxy.open(server.broker.url);
      const pool = server.pool({ connectionString: proxy.url });
      const inbox = await server.inbox(pool);
      const key = newKey();
      proxy.cuts = cuts;
      await assert.rejects(
        inbox.transaction(key, (tx) => write(tx, key)),
        { code: 'DUOBUS_UNAVAILABLE', retryable: true, message: /during COMMIT/ },
      );
      let result = 'running';
      await until(async () => {
        result = (await inbox.transaction(key, (tx) => write(tx, key))).result;
        return result !== 'running';
      });
      assert.equal(result, committed ? 'done' : 'new');
      assert.deepEqual(await server.effects(key), [key]);
      await pool.end();
    });

  it('settles each document with one effect, though every third COMMIT is lost', async () => {
    await using proxy = await CuttingProxy.open(server.broker.url);
    const pool = server.pool({ connectionString: proxy.url });
    const inbox = await server.inbox(pool);
    const run = newKey();
    await using bus = await connect('memory:', { source: '/test' });
    let runs = 0;
    const handler = idempotent(
      async (order: string, _delivery, tx) => {
        runs += 1;
        if (runs % 3 === 0) proxy.cuts = runs % 2 === 0 ? 'request' : 'answer';
        await write(tx, `${run} ${order}`);
      },
      { store: inbox, scope: 's' },
    );
    await bus.events.subscribe(orders, 'cut', handler, { concurrency: 4, backoff: { firstMs: 1 } });
    const documents = Array.from({ length: 60 }, (_, index) => String(index).padStart(2, '0'));
    await bus.events.publishMany(
      orders,
      documents.map((document) => ({ document })),
    );
    await empty(bus, 'cut');
    assert.deepEqual(
      await server.effects(run),
      documents.map((order) => `${run} ${order}`),
    );
    assert.ok(runs > 60, `${runs} runs`);
    await pool.end();
  });

  it('rolls back, and goes on, when the server ends a connection in the middle', async () => {
    const pool = server.pool({ max: 2 });
    const inbox = await server.inbox(pool);
    const key = newKey();
    const run = inbox.transaction(key, async (tx) => {
      await write(tx, key);
      const { rows } = await tx.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      await server.pool({ max: 1 }).query('SELECT pg_terminate_backend($1)', [rows[0]?.pid]);
      await until(() =>
        tx.query('SELECT 1').then(
          () => false,
          () => true,
        ),
      );
    });
    await assert.rejects(run, { code: 'DUOBUS_UNAVAILABLE' });
    assert.deepEqual(await server.effects(key), []);
    await inbox.transaction(key, (tx) => write(tx, key));
    assert.deepEqual(await server.effects(key), [key]);
  });
});

describe('postgresInbox and a server that goes away', () => {
  let broker: Broker;
  before(async () => void (broker = await startBroker('postgres')));
  after(() => broker.stop());

  it('keeps documents waiting: none is lost, none is a dead letter, none has two effects', async () => {
    const pool = new pg.Pool({ connectionString: broker.url, max: 4 });
    pool.on('error', () => undefined); // connections that nobody has when the server dies
    let asked = 0;
    const inbox = postgresInbox<pg.PoolClient>({
      options: pool.options,
      connect: () => {
        asked += 1;
        return pool.connect();
      },
    });
    await inbox.migrate();
    await pool.query('CREATE TABLE effects (effect text)');
    let failed = 0;
    await using bus = await connect('memory:', {
      source: '/test',
      instrument: { event: ({ type }) => void (failed += type === 'failed' ? 1 : 0) },
    });
    const handler = idempotent(
      async (order: string, _delivery, tx) =>
        void (await tx.query('INSERT INTO effects VALUES ($1)', [order])),
      { store: inbox, scope: 's' },
    );
    await bus.events.subscribe(orders, 'outage', handler, { concurrency: 3, maxAttempts: 2 });
    const documents = Array.from({ length: 300 }, (_, index) => String(index).padStart(3, '0'));
    const half = documents.splice(0, 150);
    await bus.events.publishMany(
      orders,
      half.map((document) => ({ document })),
    );
    await until(async () => (await bus.events.depth(orders, 'outage')).total < 100);
    await broker.kill9();
    await bus.events.publishMany(
      orders,
      documents.map((document) => ({ document })),
    );
    const far = asked + 10 * 3; // three handlers, of two attempts each
    await until(() => asked > far);
    await broker.start();
    await empty(bus, 'outage');
    const { rows } = await pool.query<{ effect: string }>(
      'SELECT effect FROM effects ORDER BY effect',
    );
    assert.deepEqual(
      rows.map(({ effect }) => effect),
      [...half, ...documents],
    );
    assert.ok(failed <= 3, `${failed} attempts failed, of the three that were running`);
    await pool.end();
  });
});
