import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { type Bus, BusError, connect, topic } from '@duobus/core';
import { memory } from '@duobus/memory';
import { startRelay, type SyncOutbox } from '@duobus/outbox';
import { type SqliteDatabase, sqliteOutbox } from '../src/index.ts';
import { type DatabaseFile, databaseFile } from './support/outbox-file.ts';

const Orders = topic<{ readonly key: string; readonly n: number }>('orders', {
  key: ({ key }) => key,
});

interface Stage extends AsyncDisposable {
  readonly file: DatabaseFile;
  readonly app: DatabaseSync;
  readonly outbox: SyncOutbox<SqliteDatabase>;
  readonly bus: Bus;
  readonly got: number[];
  until(holds: () => boolean): Promise<void>;
}

async function stage(): Promise<Stage> {
  const file = databaseFile();
  const outbox = sqliteOutbox({ source: '/shop', database: file.connect() });
  await outbox.migrate();
  const bus = await connect(memory(), { source: '/relay' });
  const got: number[] = [];
  let look = (): void => undefined;
  await bus.events.subscribe(
    Orders,
    'all',
    ({ n }) => {
      got.push(n);
      look();
    },
    { concurrency: 1 },
  );
  return {
    file,
    app: file.connect(),
    outbox,
    bus,
    got,
    until: (holds) =>
      new Promise((resolve) => {
        look = () => {
          if (holds()) resolve();
        };
        look();
      }),
    async [Symbol.asyncDispose]() {
      await bus.close();
      file[Symbol.dispose]();
    },
  };
}

const hour = 3_600_000;

describe('sqliteOutbox', () => {
  it('publishes what is committed, and nothing that is rolled back', async () => {
    await using on = await stage();
    await using relay = await startRelay(on.outbox, on.bus, { pollMs: hour });
    on.app.exec('begin');
    on.outbox.publishSync(on.app, Orders, { key: 'k', n: 1 });
    on.app.exec('rollback');
    on.app.exec('begin');
    const promised = on.outbox.publish(on.app, Orders, { key: 'k', n: 2 });
    // in the table before anything is awaited
    on.app.exec('commit');
    on.app.exec('begin');
    on.outbox.publishManySync(on.app, Orders, [
      { key: 'k', n: 3 },
      { key: 'k', n: 4 },
    ]);
    on.app.exec('commit');
    await promised;
    await on.until(() => on.got.length === 3);
    assert.deepEqual(on.got, [2, 3, 4]);
    await relay.close();
    assert.equal((await on.outbox.lag()).rows, 0);
  });

  it('sees nothing of a transaction that stays open while the relay reads', async () => {
    await using on = await stage();
    await using relay = await startRelay(on.outbox, on.bus, { pollMs: 5 });
    on.app.exec('begin immediate');
    on.outbox.publishSync(on.app, Orders, { key: 'k', n: 1 });
    // the relay waits for no writer while it has nothing to write
    assert.equal((await relay.health()).lag?.rows, 0);
    on.app.exec('rollback');
    on.app.exec('begin immediate');
    on.outbox.publishSync(on.app, Orders, { key: 'k', n: 2 });
    on.app.exec('commit');
    await on.until(() => on.got.length === 1);
    assert.deepEqual(on.got, [2]);
  });

  it('finds what another process has committed', async () => {
    await using on = await stage();
    await using _relay = await startRelay(on.outbox, on.bus, { pollMs: hour });
    const source = (file: string): string => JSON.stringify(import.meta.resolve(file));
    const program = `
      import { DatabaseSync } from 'node:sqlite';
      import { topic } from ${source('@duobus/core')};
      import { sqliteOutbox } from ${source('../src/index.ts')};
      const path = ${JSON.stringify(on.file.path)};
      const [own, app] = [new DatabaseSync(path), new DatabaseSync(path, { timeout: 10_000 })];
      const outbox = sqliteOutbox({ source: '/other', database: own });
      const Orders = topic('orders', { key: ({ key }) => key });
      app.exec('begin immediate');
      outbox.publishSync(app, Orders, { key: 'k', n: 7 });
      app.exec('commit');`;
    const flags = ['--conditions=duobus:source', '--input-type=module', '--eval', program];
    await promisify(execFile)(process.execPath, flags, { timeout: 30_000 });
    await on.until(() => on.got.length === 1);
    assert.deepEqual(on.got, [7]);
  });

  it('waits for a writer elsewhere without stopping the process', async () => {
    await using on = await stage();
    on.app.exec('begin immediate');
    const acquiring = on.outbox.store.acquire('me', 60_000);
    let turns = 0;
    await new Promise<void>((resolve) => {
      const turn = (): void => {
        if ((turns += 1) < 20) setImmediate(turn);
        else resolve();
      };
      turn();
    });
    on.app.exec('rollback');
    assert.equal(await acquiring, 1);
  });

  it('keeps a document apart from its own connection, and from what is none', async () => {
    using file = databaseFile();
    const database = file.connect();
    const outbox = sqliteOutbox({ source: '/shop', database });
    await outbox.migrate();
    const order = { key: 'k', n: 1 };
    assert.throws(() => outbox.publishSync(database, Orders, order), /outbox's own connection/);
    assert.throws(() => outbox.publishSync({} as never, Orders, order), TypeError);
  });

  it('says that migrate() is missing, or that the tables are of another version', async () => {
    using file = databaseFile();
    const outbox = sqliteOutbox({ source: '/shop', database: file.connect(), prefix: 'mine_' });
    const app = file.connect();
    const missing = (error: unknown): boolean =>
      BusError.is(error, 'DUOBUS_NOT_FOUND') && error.message.includes('outbox.migrate()');
    assert.throws(() => outbox.publishSync(app, Orders, { key: 'k', n: 1 }), missing);
    await using bus = await connect(memory(), { source: '/r' });
    await assert.rejects(startRelay(outbox, bus), missing);
    await outbox.migrate();
    app.exec('update mine_outbox_state set version = 99');
    await assert.rejects(startRelay(outbox, bus), /are of version 99/);
    await assert.rejects(outbox.migrate(), /are of version 99/);
  });

  it('refuses wrong options', () => {
    const database = new DatabaseSync(':memory:');
    const wrong = [
      [{ source: '/s' }, /database must be/],
      [{ source: '/s', database, prefix: 'a-b' }, /prefix must be/],
      [{ source: '/s', database, Prefix: 'a' }, /Did you mean 'prefix'/],
      [{ database }, /source is missing/],
    ] as const;
    for (const [options, message] of wrong)
      assert.throws(() => sqliteOutbox(options as never), message);
    database.close();
  });
});
