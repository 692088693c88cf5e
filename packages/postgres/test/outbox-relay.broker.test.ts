import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { startRelay } from '@duobus/outbox';
import { type PgOutboxPool, postgresOutbox } from '../src/index.ts';
import { type Database, inTransaction, startDatabase } from './support/outbox-database.ts';
import { Orders, outboxStage } from './support/outbox-stage.ts';

let database: Database;
before(async () => {
  database = await startDatabase();
});
after(() => database[Symbol.asyncDispose]());

const hour = 3_600_000;

describe('a relay over PostgreSQL', () => {
  it('is woken by the commit, not by polling', async () => {
    await using on = await outboxStage(database);
    await on.relay({ pollMs: hour, leaseMs: hour });
    for (let n = 1; n <= 5; n += 1) {
      await on.write('k', n);
      await on.until(() => on.got.length === n);
    }
  });

  it('takes over at once where another relay closes', async () => {
    await using on = await outboxStage(database);
    const first = await on.relay({ leaseMs: hour });
    const second = await on.relay({ leaseMs: hour });
    assert.deepEqual([first.state, second.state], ['active', 'standby']);
    await first.close();
    await on.until(() => second.state === 'active');
    await on.write('k', 1);
    await on.until(() => on.got.length === 1);
  });

  it('finds new rows by polling where it may not listen', async () => {
    await using on = await outboxStage(database, { listen: false });
    await on.relay({ pollMs: 20 });
    await on.write('k', 1);
    await on.until(() => on.got.length === 1);
  });

  it('listens again when its connection is broken', async () => {
    await using on = await outboxStage(database);
    await on.relay({ pollMs: hour, leaseMs: hour });
    await on.write('k', 1);
    await on.until(() => on.got.length === 1);
    const { rows } = await on.pool.query<{ ended: boolean }>(
      "select pg_terminate_backend(pid) as ended from pg_stat_activity where query like 'listen %'",
    );
    assert.ok(rows.some(({ ended }) => ended));
    await on.until(() =>
      on.events.some((event) => event.type === 'store' && event.call === 'listen'),
    );
    await on.write('k', 2);
    await on.until(() => on.got.length === 2);
  });

  it('judges leases by the clock of the database', async () => {
    await using on = await outboxStage(database);
    const first = await on.relay({ leaseMs: 60_000 });
    const now = Date.now.bind(Date);
    Date.now = () => now() + 24 * hour;
    try {
      const second = await on.relay({ leaseMs: 60_000 });
      assert.deepEqual([first.state, second.state], ['active', 'standby']);
      await on.write('k', 1);
      await on.until(() => on.got.length === 1);
      assert.ok((await on.outbox.lag()).ms < hour);
    } finally {
      Date.now = now;
    }
  });

  it('goes on after a restart of the database, and loses and repeats nothing that it knows of', async () => {
    await using own = await startDatabase();
    await using on = await outboxStage(own);
    await on.relay({ pollMs: 100 });
    for (let n = 1; n <= 20; n += 1) await on.write(`k${n % 3}`, n);
    await on.until(() => on.got.length === 20);
    await own.broker.kill9();
    await on.until(() => on.events.some((event) => event.type === 'store'));
    await own.broker.start();
    for (let n = 21; n <= 40; n += 1) await on.write(`k${n % 3}`, n);
    await on.until(() => new Set(on.got.map(({ id }) => id)).size === 40);
    for (let key = 0; key < 3; key += 1) {
      const ofKey = [...new Set(on.got.map(({ n }) => n))].filter((n) => n % 3 === key);
      assert.deepEqual(
        ofKey,
        ofKey.toSorted((a, b) => a - b),
      );
    }
  });

  it('reads a bounded part of many rows, by the index', async () => {
    const schema = database.schema();
    await using on = await outboxStage(database, { schema });
    await on.pool.query(
      `insert into "${schema}".duobus_outbox (id, bus, topic, settings, attributes, data, bytes)
       select n, 'event', 'orders', '{"v":1}', '{}', '\\x00', 100 from generate_series(1, 100000) n`,
    );
    await on.pool.query(`analyze "${schema}".duobus_outbox`);
    const { store } = on.outbox;
    const fence = (await store.acquire('me', hour)) ?? 0;
    const request = { rows: 500, bytes: 1_000_000, heldRows: [], heldLanes: [] };
    const { rows, more } = await store.read(fence, request);
    assert.deepEqual([rows.length, rows.at(-1)?.id, more], [500, '500', true]);
    const plan = await on.pool.query<{ 'QUERY PLAN': string }>(
      `explain select seq from "${schema}".duobus_outbox where state = 0 and seq <> all ('{}'::bigint[])
       order by seq limit 501`,
    );
    assert.match(
      plan.rows.map((row) => row['QUERY PLAN']).join('\n'),
      /Index.*duobus_outbox_waiting/,
    );
  });

  it('leaves nothing behind a document that is retried while it is looked at', async () => {
    const schema = database.schema();
    await using on = await outboxStage(database, { schema });
    const { store } = on.outbox;
    const [first, second] = [await on.write('k', 1), await on.write('k', 2)];
    const fence = (await store.acquire('me', hour)) ?? 0;
    const request = { rows: 10, bytes: 10_000, heldRows: [], heldLanes: [] };
    const { rows } = await store.read(fence, request);
    await store.setAside(fence, rows[0]?.row ?? '', { code: 'X', message: 'm' });
    // as settle does it, stopped half-way: the read has seen that the second is to be marked, and cannot yet
    const reading = await inTransaction(on.pool, async (tx) => {
      await tx.query(`update "${schema}".duobus_outbox_state set settled = settled + 1`);
      const read = store.read(fence, request);
      for (let waiting = 0; waiting === 0; ) {
        const locks = await on.pool.query('select 1 from pg_locks where not granted');
        waiting = locks.rows.length;
      }
      await tx.query(`update "${schema}".duobus_outbox set state = 0 where id = $1`, [first]);
      return { read };
    });
    await reading.read;
    assert.deepEqual(
      (await store.read(fence, request)).rows.map(({ id }) => id),
      [first, second],
    );
  });

  it('publishes in the order of the commits where a row lock serialises them', async () => {
    await using on = await outboxStage(database);
    const schema = database.schema();
    await on.pool.query(
      `create schema "${schema}"; create table "${schema}".counter as select 0 as n`,
    );
    await on.relay();
    const writers = Array.from({ length: 4 }, async () => {
      for (let left = 50; left > 0; left -= 1) {
        await inTransaction(on.pool, async (tx) => {
          const { rows } = await tx.query<{ n: number }>(
            `update "${schema}".counter set n = n + 1 returning n`,
          );
          await on.outbox.publish(tx, Orders, { key: 'k', n: rows[0]?.n ?? 0 });
        });
      }
    });
    await Promise.all(writers);
    await on.until(() => on.got.length === 200);
    assert.deepEqual(
      on.got.map(({ n }) => n),
      Array.from({ length: 200 }, (_, n) => n + 1),
    );
  });

  it('leaves nothing behind: the process ends', async () => {
    const source = (file: string): string => JSON.stringify(import.meta.resolve(file));
    const program = `
      import { connect, topic } from ${source('@duobus/core')};
      import { memory } from ${source('@duobus/memory')};
      import { startRelay } from ${source('@duobus/outbox')};
      import { postgresOutbox } from ${source('../src/index.ts')};
      import pg from ${source('pg')};
      const pool = new pg.Pool({ connectionString: ${JSON.stringify(database.broker.url)} });
      const outbox = postgresOutbox({ source: '/s', pool, schema: ${JSON.stringify(database.schema())} });
      await outbox.migrate();
      const bus = await connect(memory(), { source: '/r' });
      const relay = await startRelay(outbox, bus);
      const client = await pool.connect();
      await client.query('begin');
      await outbox.publish(client, topic('t'), 1);
      await client.query('commit');
      client.release();
      await relay.close();
      await bus.close();
      await pool.end();
      console.log('closed');`;
    const run = promisify(execFile);
    const flags = ['--conditions=duobus:source', '--input-type=module', '--eval', program];
    const { stdout } = await run(process.execPath, flags, { timeout: 30_000 });
    assert.equal(stdout, 'closed\n');
  });

  it('closes though the pool gives it no connection to listen with', async () => {
    const pool = database.pool({ max: 3 });
    const schema = database.schema();
    await using on = await outboxStage(database, { schema });
    const others = await Promise.all([pool.connect(), pool.connect(), pool.connect()]);
    let asked!: () => void;
    const waits = new Promise<void>((resolve) => {
      asked = resolve;
    });
    // queries have connections, and who wants to keep one has to wait
    const shared: PgOutboxPool = {
      query: (text, values) => on.pool.query(text, values),
      connect: () => {
        asked();
        return pool.connect();
      },
    };
    const outbox = postgresOutbox({ source: '/s', pool: shared, schema });
    const relay = await startRelay(outbox, on.bus);
    await waits;
    await relay.close();
    assert.equal(relay.state, 'closed');
    for (const client of others) client.release();
  });

  it('keeps no connection once it is closed', async () => {
    const pool = database.pool();
    const outbox = postgresOutbox({ source: '/s', pool, schema: database.schema() });
    await outbox.migrate();
    await using on = await outboxStage(database);
    const relay = await startRelay(outbox, on.bus);
    await relay.close();
    assert.equal(pool.idleCount, pool.totalCount);
  });
});
