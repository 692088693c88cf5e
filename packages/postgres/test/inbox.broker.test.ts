import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { newKey, until, useServer, write } from './support/server.ts';

describe('a transaction of postgresInbox', () => {
  const server = useServer();

  it('cannot be ended by its handler, who is told so', async () => {
    const inbox = await server.inbox(server.pool());
    const statements = [
      'COMMIT',
      ' rollback ',
      'BEGIN',
      'end;',
      'ABORT',
      'start  transaction',
      "PREPARE TRANSACTION 'x'",
      'ROLLBACK WORK',
    ];
    for (const statement of statements)
      for (const form of [statement, { text: statement }]) {
        const key = newKey();
        const run = inbox.transaction(key, async (tx) => {
          await write(tx, key);
          await tx.query(form as string);
        });
        await assert.rejects(run, {
          name: 'TypeError',
          message: /committed when the handler returns/,
        });
        assert.deepEqual(await server.effects(key), []);
      }
  });

  it('finds out when its handler has ended it all the same', async () => {
    const pool = server.pool({ max: 2 });
    const inbox = await server.inbox(pool);
    const endings = [
      '/* */ COMMIT',
      '/* */ ROLLBACK',
      '/* */ COMMIT; BEGIN',
      '/* */ ROLLBACK; BEGIN',
    ];
    for (const ending of endings) {
      const key = newKey();
      const run = inbox.transaction(key, async (tx) => void (await tx.query(ending)));
      await assert.rejects(run, { name: 'TypeError', message: /has ended the transaction itself/ });
      const { result } = await inbox.transaction(key, async (tx) => write(tx, key));
      assert.equal(result, 'new', ending);
      assert.deepEqual(await server.effects(key), [key]);
    }
  });

  it('has savepoints', async () => {
    const inbox = await server.inbox(server.pool());
    const key = newKey();
    await inbox.transaction(key, async (tx) => {
      await write(tx, `${key} 1`);
      await tx.query('SAVEPOINT part');
      await write(tx, `${key} 2`);
      await tx.query('ROLLBACK TO SAVEPOINT part');
      await tx.query('rollback work to part');
      await write(tx, `${key} 3`);
    });
    assert.deepEqual(await server.effects(key), [`${key} 1`, `${key} 3`]);
  });

  it('is not committed when a statement failed, though the handler went on', async () => {
    const inbox = await server.inbox(server.pool());
    const key = newKey();
    const run = inbox.transaction(key, async (tx) => {
      await write(tx, key);
      await tx.query('SELECT 1 / 0').catch(() => undefined);
    });
    await assert.rejects(run, /current transaction is aborted/);
    assert.deepEqual(await server.effects(key), []);
    assert.equal((await inbox.transaction(key, async () => undefined)).result, 'new');
  });

  it('is closed to what its handler has not awaited', async () => {
    const pool = server.pool({ max: 2 });
    const inbox = await server.inbox(pool);
    const key = newKey();
    let kept: Parameters<Parameters<typeof inbox.transaction>[1]>[0] | undefined;
    await inbox.transaction(key, async (tx) => void (kept = tx));
    await assert.rejects(async () => kept?.query('SELECT 1'), /the transaction is over/);
    await assert.rejects(
      inbox.transaction(newKey(), async (tx) => {
        kept = tx;
        throw new Error('broken');
      }),
      /broken/,
    );
    await assert.rejects(async () => kept?.query('SELECT 1'), /the transaction is over/);
  });

  it('commits what its handler has sent and not awaited', async () => {
    const inbox = await server.inbox(server.pool());
    const key = newKey();
    const sent: Promise<void>[] = [];
    await inbox.transaction(key, async (tx) => void sent.push(write(tx, key)));
    await Promise.all(sent);
    assert.deepEqual(await server.effects(key), [key]);
  });

  it('gives its connection back once, whatever its handler does', async () => {
    const pool = server.pool({ max: 1 });
    const inbox = await server.inbox(pool);
    await inbox.transaction(newKey(), async (tx) => tx.release());
    await assert.rejects(
      inbox.transaction(newKey(), () => Promise.reject(new Error('broken'))),
      /broken/,
    );
    assert.equal((await inbox.transaction(newKey(), async () => undefined)).result, 'new');
    assert.deepEqual([pool.totalCount, pool.idleCount], [1, 1]);
  });

  it('answers running at once while another holds the key, without a connection that waits', async () => {
    const pool = server.pool({ max: 3 });
    const inbox = await server.inbox(pool);
    const key = newKey();
    let end = (): void => undefined;
    let inside = false;
    const first = inbox.transaction(key, async () => {
      inside = true;
      await new Promise<void>((resolve) => (end = resolve));
    });
    await until(() => inside);
    for (let repetition = 0; repetition < 20; repetition += 1)
      assert.deepEqual(await inbox.transaction(key, () => assert.fail('runs twice')), {
        result: 'running',
      });
    assert.equal(await inbox.begin(key, 1000), 'running');
    end();
    assert.equal((await first).result, 'new');
    assert.deepEqual(await inbox.transaction(key, () => assert.fail('runs twice')), {
      result: 'done',
    });
  });

  it('collides safely where the database isolates by default', async () => {
    const pool = server.pool({ options: '-c default_transaction_isolation=serializable' });
    const inbox = await server.inbox(pool);
    const keys = Array.from({ length: 20 }, newKey);
    const once = async (key: string): Promise<void> => {
      for (let tries = 0; tries < 200; tries += 1) {
        const run = inbox.transaction(key, (tx) => write(tx, key));
        const result = await run.then(
          (made) => made.result,
          (error: { code?: string; retryable?: boolean }) => {
            assert.ok(error.retryable === true || error.code === '40001', String(error));
            return 'running';
          },
        );
        if (result !== 'running') return;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      assert.fail(`${key} has never been done`);
    };
    await Promise.all([...keys, ...keys, ...keys].map(once));
    for (const key of keys) assert.deepEqual(await server.effects(key), [key]);
  });

  it('is rolled back where its key has been marked meanwhile, by whatever means', async () => {
    const inbox = await server.inbox(server.pool());
    const key = newKey();
    const run = inbox.transaction(key, async (tx) => {
      await write(tx, key);
      await inbox.marks.done(key);
    });
    await assert.rejects(run, { code: 'DUOBUS_CONFLICT', retryable: true });
    assert.deepEqual(await server.effects(key), []);
    assert.equal((await inbox.transaction(key, async () => undefined)).result, 'done');
  });

  it('leaves no listener on a connection', async () => {
    const pool = server.pool({ max: 1 });
    const inbox = await server.inbox(pool);
    const client = await pool.connect();
    client.release();
    const before = client.listenerCount('error');
    for (let run = 0; run < 20; run += 1) await inbox.transaction(newKey(), async () => undefined);
    assert.equal(client.listenerCount('error'), before);
  });

  it('knows whose result it hands over: marks is the same store without transactions', async () => {
    const inbox = await server.inbox(server.pool());
    const [key, other] = [newKey(), newKey()];
    assert.equal(inbox.marks.transaction, undefined);
    await inbox.transaction(key, async () => undefined);
    assert.equal(await inbox.marks.begin(key, 1000), 'done');
    await inbox.marks.begin(other, 60_000);
    assert.equal((await inbox.transaction(other, async () => undefined)).result, 'running');
  });
});
