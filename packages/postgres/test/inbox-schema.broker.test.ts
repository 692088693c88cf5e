import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { postgresInbox } from '../src/index.ts';
import { newKey, useServer } from './support/server.ts';

describe('the table of postgresInbox', () => {
  const server = useServer();
  const nothing = async (): Promise<void> => undefined;

  it('is asked for by name when it is missing, by every verb', async () => {
    const inbox = postgresInbox(server.pool(), { table: 'missing' });
    const wanted = {
      code: 'DUOBUS_NOT_FOUND',
      retryable: false,
      message: /"missing".*migrate\(\)/,
    };
    await assert.rejects(inbox.transaction(newKey(), nothing), wanted);
    await assert.rejects(inbox.begin(newKey(), 1000), wanted);
    await assert.rejects(inbox.done(newKey()), wanted);
    await assert.rejects(inbox.fail(newKey()), wanted);
    await assert.rejects(inbox.expire(), wanted);
    await inbox.migrate();
    assert.equal((await inbox.transaction(newKey(), nothing)).result, 'new');
  });

  it('is asked for when it has gone meanwhile, and the connection goes on', async () => {
    const pool = server.pool({ max: 2 });
    const inbox = await server.inbox(pool, { table: 'gone' });
    await inbox.transaction(newKey(), nothing);
    await pool.query('DROP TABLE gone');
    for (let call = 0; call < 4; call += 1)
      await assert.rejects(inbox.transaction(newKey(), nothing), { code: 'DUOBUS_NOT_FOUND' });
    await inbox.migrate();
    assert.equal((await inbox.transaction(newKey(), nothing)).result, 'new');
  });

  it('is made once by many processes at a time, and again without harm', async () => {
    const pools = [1, 2, 3, 4].map(() => server.pool({ max: 3 }));
    const inboxes = pools.flatMap((pool) =>
      [1, 2, 3].map(() => postgresInbox(pool, { table: 'raced', schema: 'raced' })),
    );
    await Promise.all(inboxes.map((inbox) => inbox.migrate()));
    await Promise.all(inboxes.map((inbox) => inbox.migrate()));
    const key = newKey();
    const results = [];
    for (const inbox of inboxes) results.push((await inbox.transaction(key, nothing)).result);
    assert.deepEqual(results, ['new', ...Array.from({ length: 11 }, () => 'done')]);
  });

  it('is brought up from an older version, whose marks stay', async () => {
    const pool = server.pool();
    const key = newKey();
    await (await server.inbox(pool, { table: 'old' })).transaction(key, nothing);
    await pool.query("COMMENT ON TABLE old IS 'duobus inbox v0'");
    const inbox = postgresInbox(pool, { table: 'old' });
    await assert.rejects(inbox.transaction(key, nothing), {
      code: 'DUOBUS_NOT_FOUND',
      message: /older.*migrate\(\)/,
    });
    await inbox.migrate();
    assert.equal((await inbox.transaction(key, nothing)).result, 'done');
  });

  it('is left alone when it is newer than this package, or is not an inbox', async () => {
    const pool = server.pool();
    await server.inbox(pool, { table: 'newer' });
    await pool.query("COMMENT ON TABLE newer IS 'duobus inbox v2'");
    await pool.query('CREATE TABLE foreign_one (hash text)');
    for (const [table, message] of [
      ['newer', /update @duobus\/postgres/],
      ['foreign_one', /option table/],
    ] as const) {
      const inbox = postgresInbox(pool, { table });
      await assert.rejects(inbox.migrate(), { code: 'DUOBUS_CONFLICT', message });
      await assert.rejects(inbox.transaction(newKey(), nothing), {
        code: 'DUOBUS_CONFLICT',
        message,
      });
    }
    assert.equal(pool.idleCount, pool.totalCount);
  });

  it('is used by who may do no more than that', async () => {
    const owner = server.pool();
    await server.inbox(owner, { table: 'granted' });
    await owner.query("CREATE ROLE clerk LOGIN PASSWORD 'clerk'");
    const inbox = postgresInbox(
      server.pool({
        user: 'clerk',
        password: 'clerk',
        connectionString: server.broker.url.replace('duobus:duobus@', 'clerk:clerk@'),
      }),
      { table: 'granted' },
    );
    await assert.rejects(inbox.transaction(newKey(), nothing), { code: 'DUOBUS_PERMISSION' });
    await owner.query('GRANT SELECT, INSERT, UPDATE, DELETE ON granted TO clerk');
    const key = newKey();
    assert.equal((await inbox.transaction(key, nothing)).result, 'new');
    assert.equal((await inbox.transaction(key, nothing)).result, 'done');
    assert.equal(await inbox.expire(), 0);
  });

  it('keeps inboxes of several tables apart', async () => {
    const pool = server.pool();
    const [one, two] = [
      await server.inbox(pool, { table: 'one' }),
      await server.inbox(pool, { table: 'two' }),
    ];
    const key = newKey();
    const nested = await one.transaction(
      key,
      async () => (await two.transaction(key, nothing)).result,
    );
    assert.deepEqual(nested, { result: 'new', value: 'new' });
  });

  it('loses what has expired, a bounded number at a time', async () => {
    const pool = server.pool();
    const inbox = await server.inbox(pool, { table: 'aged', keepsForMs: 60_000 });
    const forEver = postgresInbox(pool, { table: 'aged', keepsForMs: null });
    await inbox.transaction(newKey(), nothing); // its first also tidies up
    const young = newKey();
    await inbox.transaction(young, nothing);
    await pool.query(
      "INSERT INTO aged SELECT sha256(n::text::bytea), CASE WHEN n % 2 = 0 THEN 'a run' END, now() - interval '61 s' FROM generate_series(1, 25) n",
    );
    assert.equal(await forEver.expire(), 0);
    assert.equal(await inbox.expire(10), 10);
    assert.equal(await inbox.expire(10), 10);
    assert.equal(await inbox.expire(10), 5);
    assert.equal(await inbox.expire(), 0);
    assert.equal((await inbox.transaction(young, nothing)).result, 'done');
  });

  it('is tidied up by writing to it', async () => {
    const pool = server.pool();
    const inbox = await server.inbox(pool, { table: 'tidied', keepsForMs: 60_000 });
    await pool.query(
      "INSERT INTO tidied SELECT sha256(n::text::bytea), NULL, now() - interval '61 s' FROM generate_series(1, 1500) n",
    );
    for (let mark = 0; mark < 501; mark += 1) await inbox.transaction(newKey(), nothing);
    const { rows } = await pool.query<{ count: string }>('SELECT count(*) FROM tidied');
    assert.equal(rows[0]?.count, '501');
  });
});
