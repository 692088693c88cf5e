import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { sqliteInbox, type SqliteTransaction } from '../src/index.ts';
import { nothing, turn, useFolder, using, write } from './support/folder.ts';

describe('the options of sqliteInbox', () => {
  it('have defaults', async () => {
    const inbox = sqliteInbox('shop.db');
    assert.equal(inbox.keepsForMs, 7 * 24 * 60 * 60 * 1000);
    assert.equal(sqliteInbox({ path: 'shop.db', keepsForMs: null }).keepsForMs, null);
    await inbox.close();
  });

  it('are refused when they are wrong', () => {
    const wrong: readonly (readonly [unknown, RegExp])[] = [
      [undefined, /path must be the file/],
      ['', /path must be a string/],
      [':memory:', /memoryStore\(\)/],
      ['file:x?mode=memory', /memoryStore\(\)/],
      [{ path: 'x', tabel: 'y' }, /Did you mean 'table'/],
      [{ path: 'x', table: 'a b' }, /table must be/],
      [{ path: 'x', table: 'sqlite_x' }, /table must be/],
      [{ path: 'x', keepsForMs: 0 }, /keepsForMs must be/],
      [{ path: 'x', busyTimeoutMs: -1 }, /busyTimeoutMs must be/],
      [{ path: 'x', maxWaiting: 0 }, /maxWaiting must be/],
    ];
    for (const [options, message] of wrong)
      assert.throws(() => sqliteInbox(options as string), { name: 'TypeError', message });
  });
});

describe('a transaction of sqliteInbox', () => {
  const folder = useFolder();

  it('cannot be ended by its handler, who is told so', async () => {
    const inbox = folder.inbox('ending');
    for (const statement of ['COMMIT', ' rollback ', 'BEGIN', 'end;', 'ROLLBACK TRANSACTION'])
      for (const verb of ['exec', 'prepare'] as const)
        await assert.rejects(
          inbox.transaction(statement, async (tx) => {
            write(tx, statement);
            tx[verb](statement);
          }),
          { name: 'TypeError', message: /committed when the handler returns/ },
        );
    assert.deepEqual(folder.effects('ending'), []);
  });

  it('finds out when its handler has ended it all the same', async () => {
    const inbox = folder.inbox('ended');
    for (const ending of ['COMMIT', 'ROLLBACK', 'COMMIT; BEGIN', 'ROLLBACK; BEGIN IMMEDIATE']) {
      await assert.rejects(
        inbox.transaction(ending, async (tx) => tx.exec(`/* */ ${ending}`)),
        { name: 'TypeError', message: /has ended the transaction itself/ },
      );
      assert.equal((await inbox.transaction(ending, nothing)).result, 'new');
    }
  });

  it('has savepoints', async () => {
    const inbox = folder.inbox('savepoints');
    await inbox.transaction('k', async (tx) => {
      write(tx, '1');
      tx.exec('SAVEPOINT part');
      write(tx, '2');
      tx.exec('ROLLBACK TO part');
      tx.exec('rollback transaction to savepoint part');
      tx.exec('RELEASE part');
      write(tx, '3');
    });
    assert.deepEqual(folder.effects('savepoints'), ['1', '3']);
  });

  it('is closed to what its handler has not awaited, also through statements', async () => {
    const inbox = folder.inbox('closed');
    let kept: SqliteTransaction | undefined;
    let statement: StatementSync | undefined;
    await inbox.transaction('k', async (tx) => {
      kept = tx;
      statement = tx.prepare('INSERT INTO effects VALUES (?)');
      statement.run('1');
    });
    assert.throws(() => kept?.exec('SELECT 1'), /the transaction is over/);
    assert.throws(() => kept?.prepare('SELECT 1'), /the transaction is over/);
    assert.throws(() => statement?.run('2'), /the transaction is over/);
    await assert.rejects(
      inbox.transaction('other', async (tx) => {
        kept = tx;
        throw new Error('broken');
      }),
      /broken/,
    );
    assert.throws(() => kept?.exec('SELECT 1'), /the transaction is over/);
    assert.deepEqual(folder.effects('closed'), ['1']);
  });

  it('keeps out what the process does meanwhile', async () => {
    const inbox = folder.inbox('apart');
    const run = (name: string, fails: boolean): Promise<unknown> =>
      inbox.transaction(name, async (tx) => {
        for (let part = 0; part < 5; part += 1) {
          write(tx, `${name} ${part}`);
          await turn();
        }
        if (fails) throw new Error('broken');
      });
    await Promise.allSettled(['a', 'b', 'c', 'd'].map((name) => run(name, name > 'b')));
    const parts = ['0', '1', '2', '3', '4'];
    assert.deepEqual(
      folder.effects('apart'),
      ['a', 'b'].flatMap((name) => parts.map((part) => `${name} ${part}`)),
    );
  });

  it('is refused inside of another over the same file at once, with what to do', async () => {
    const inbox = folder.inbox('nested');
    const twin = folder.inbox('nested');
    const wanted = { code: 'DUOBUS_REJECTED', retryable: false, message: /a file of its own/ };
    await inbox.transaction('k', async () => {
      for (const other of [inbox, twin]) {
        await assert.rejects(other.transaction('inner', nothing), wanted);
        await assert.rejects(other.begin('inner', 1000), wanted);
        await assert.rejects(other.done('inner'), wanted);
        await assert.rejects(other.fail('inner'), wanted);
      }
    });
    assert.equal((await inbox.transaction('inner', nothing)).result, 'new');
  });

  it('commits inside of another over another file, though that is rolled back', async () => {
    const [outer, inner] = [folder.inbox('outer'), folder.inbox('inner')];
    await assert.rejects(
      outer.transaction('k', async (tx) => {
        write(tx, 'outer');
        await inner.transaction('k', async (own) => write(own, 'inner'));
        throw new Error('broken');
      }),
      /broken/,
    );
    assert.deepEqual([folder.effects('outer'), folder.effects('inner')], [[], ['inner']]);
    assert.equal((await inner.transaction('k', nothing)).result, 'done');
  });

  it('counts for nothing what goes on after it', async () => {
    const inbox = folder.inbox('after');
    let later: Promise<unknown> = Promise.resolve();
    let begin = (): void => undefined;
    const gate = new Promise<void>((resolve) => (begin = resolve));
    await inbox.transaction('k', async () => {
      later = gate.then(() => inbox.transaction('later', async () => 'made'));
    });
    begin();
    assert.deepEqual(await later, { result: 'new', value: 'made' });
  });

  it('waits in a line of bounded length, and leaves it when its signal is aborted', async () => {
    const inbox = folder.inbox('line', { maxWaiting: 2 });
    let end = (): void => undefined;
    const first = inbox.transaction('1', () => new Promise<void>((resolve) => (end = resolve)));
    const second = inbox.transaction('2', nothing);
    const abort = new AbortController();
    const third = inbox.transaction('3', () => assert.fail('runs'), abort.signal);
    await assert.rejects(inbox.transaction('4', nothing), {
      code: 'DUOBUS_UNAVAILABLE',
      retryable: true,
      message: /maxWaiting/,
    });
    const reason = new Error('time is up');
    abort.abort(reason);
    await assert.rejects(third, (error) => error === reason);
    const fifth = inbox.transaction('5', nothing);
    await turn();
    end();
    assert.deepEqual(
      (await Promise.all([first, second, fifth])).map(({ result }) => result),
      ['new', 'new', 'new'],
    );
  });
});

describe('the file of sqliteInbox', () => {
  const folder = useFolder();

  it('survives the loss of power: a log written ahead, and every commit on the disk', async () => {
    const inbox = folder.inbox('durable');
    const modes = await inbox.transaction('k', async (tx) => [
      tx.prepare('PRAGMA journal_mode').get()?.['journal_mode'],
      tx.prepare('PRAGMA synchronous').get()?.['synchronous'],
    ]);
    assert.deepEqual(modes.value, ['wal', 2]);
  });

  it('is waited for while another writes to it, and the process goes on meanwhile', async () => {
    const inbox = folder.inbox('busy');
    await inbox.transaction('open', nothing);
    const other = new DatabaseSync(folder.path('busy'));
    other.exec("BEGIN IMMEDIATE; INSERT INTO effects VALUES ('other')");
    let turns = 0;
    let isOver = false;
    const run = inbox
      .transaction('k', async (tx) => write(tx, 'ours'))
      .finally(() => (isOver = true));
    for (; turns < 2_000; turns += 1) await turn();
    assert.equal(isOver, false);
    other.exec('COMMIT');
    other.close();
    assert.equal((await run).result, 'new');
    assert.deepEqual(folder.effects('busy'), ['other', 'ours']);
  });

  it('is waited for no longer than told, or until the signal is aborted', async () => {
    const inbox = folder.inbox('held', { busyTimeoutMs: 20 });
    const patient = folder.inbox('held');
    await inbox.transaction('open', nothing);
    await patient.transaction('open', nothing);
    const other = new DatabaseSync(folder.path('held'));
    other.exec('BEGIN IMMEDIATE');
    const run = (): Promise<never> => assert.fail('runs');
    await assert.rejects(inbox.transaction('k', run), {
      code: 'DUOBUS_UNAVAILABLE',
      retryable: true,
      message: /busyTimeoutMs/,
    });
    await assert.rejects(inbox.begin('k', 1000), { code: 'DUOBUS_UNAVAILABLE' });
    const abort = new AbortController();
    const waiting = patient.transaction('k', run, abort.signal);
    await turn();
    const reason = new Error('time is up');
    abort.abort(reason);
    await assert.rejects(waiting, (error) => error === reason);
    other.close();
    assert.equal((await inbox.transaction('k', nothing)).result, 'new');
  });

  it('is opened again when it can be', async () => {
    const inbox = folder.inbox('once');
    const away = sqliteInbox(`${folder.path('none')}/x.db`);
    await assert.rejects(away.begin('k', 1000), {
      code: 'DUOBUS_UNAVAILABLE',
      message: /does its folder exist/,
    });
    await away.close();
    writeFileSync(
      folder.path('text'),
      'this is a text, and has been one for a long time '.repeat(40),
    );
    const text = sqliteInbox(folder.path('text'));
    await assert.rejects(text.begin('k', 1000), {
      code: 'DUOBUS_REJECTED',
      message: /no SQLite database/,
    });
    await text.close();
    await inbox.begin('k', 1000);
  });

  it('holds several inboxes, each with its table', async () => {
    const [one, two] = [
      folder.inbox('several', { table: 'one' }),
      folder.inbox('several', { table: 'two' }),
    ];
    assert.equal((await one.transaction('k', nothing)).result, 'new');
    assert.equal((await two.transaction('k', nothing)).result, 'new');
    assert.equal((await one.transaction('k', nothing)).result, 'done');
  });

  it('is left alone where the table is newer, or not an inbox', async () => {
    const inbox = folder.inbox('newer');
    await inbox.begin('k', 1000);
    using(folder.path('newer'), (database) => {
      database.exec('UPDATE duobus_versions SET version = 2; CREATE TABLE mine (x)');
    });
    await assert.rejects(folder.inbox('newer').begin('k', 1000), {
      code: 'DUOBUS_CONFLICT',
      message: /update @duobus\/sqlite/,
    });
    const mine = folder.inbox('newer', { table: 'mine' });
    for (let time = 0; time < 2; time += 1)
      await assert.rejects(mine.begin('k', 1000), {
        code: 'DUOBUS_CONFLICT',
        message: /option table/,
      });
  });

  it('loses marks that have expired by being written to', async () => {
    const inbox = folder.inbox('aged', { keepsForMs: 60_000 });
    await inbox.transaction('first', nothing);
    using(folder.path('aged'), (database) =>
      database.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500)
        INSERT INTO duobus_inbox SELECT CAST(i AS BLOB), CASE WHEN i % 2 THEN 'a run' END, unixepoch() * 1000 - 61000 FROM n`),
    );
    const count = (): unknown =>
      using(
        folder.path('aged'),
        (database) => database.prepare('SELECT count(*) AS n FROM duobus_inbox').get()?.['n'],
      );
    for (let mark = 1; mark < 501; mark += 1) await inbox.transaction(`${mark}`, nothing);
    assert.equal(count(), 501 + 500);
    for (let mark = 501; mark < 1001; mark += 1) await inbox.transaction(`${mark}`, nothing);
    assert.equal(count(), 1001);
  });
});
