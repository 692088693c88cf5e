import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { startBroker } from '@duobus/brokers';
import { type Handler, type IdempotenceStore, idempotent, memoryStore } from '@duobus/core';
import { postgresInbox } from '@duobus/postgres';
import { redisStore } from '@duobus/redis-store';
import { sqliteInbox, type SqliteTransaction } from '@duobus/sqlite';
import { Redis } from 'ioredis';
import pg from 'pg';

/** One way to have the effect of a document. */
export interface Contender {
  /** What the effect is. */
  readonly effect: string;
  /** What keeps the marks; `none` is the effect alone. */
  readonly store: string;
  readonly handler: Handler<number>;
}

export interface Stage extends AsyncDisposable {
  readonly contenders: readonly Contender[];
}

const scope = 'figures';

/** Servers, files and tables of their own. */
export async function openStage(): Promise<Stage> {
  await using opening = new AsyncDisposableStack();
  const inMemory = 'a counter in memory';
  let counted = 0;
  const count = (): void => void (counted += 1);
  const guarded = (store: IdempotenceStore): Handler<number> => idempotent(count, { store, scope });

  const folder = mkdtempSync(join(tmpdir(), 'duobus-'));
  opening.defer(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'figures.db');
  const database = new DatabaseSync(path);
  opening.defer(() => database.close());
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE rows (n)');
  const insert = database.prepare('INSERT INTO rows VALUES (?)');
  const file = opening.use(sqliteInbox(path));

  const redis = opening.use(await startBroker('redis'));
  const client = new Redis(redis.url);
  opening.defer(() => client.disconnect());

  const postgres = opening.use(await startBroker('postgres'));
  const pool = new pg.Pool({ connectionString: postgres.url, max: 10 });
  opening.defer(() => pool.end());
  const inbox = postgresInbox<pg.PoolClient>(pool);
  await inbox.migrate();
  await pool.query('CREATE TABLE rows (n int)');
  const row = 'INSERT INTO rows VALUES ($1)';
  const throughPool = (n: number): Promise<unknown> => pool.query(row, [n]);

  const contenders: readonly Contender[] = [
    { effect: inMemory, store: 'none', handler: count },
    { effect: inMemory, store: 'memoryStore', handler: guarded(memoryStore()) },
    { effect: inMemory, store: 'redisStore', handler: guarded(redisStore(client)) },
    { effect: 'a row in SQLite', store: 'none', handler: (n) => void insert.run(n) },
    {
      effect: 'a row in SQLite',
      store: 'sqliteInbox',
      handler: idempotent(
        (n: number, _delivery, tx: SqliteTransaction) =>
          void tx.prepare('INSERT INTO rows VALUES (?)').run(n),
        { store: file, scope },
      ),
    },
    { effect: 'a row in PostgreSQL', store: 'none', handler: throughPool },
    {
      effect: 'a row in PostgreSQL',
      store: 'inbox.marks',
      handler: idempotent(throughPool, { store: inbox.marks, scope: 'marks' }),
    },
    {
      effect: 'a row in PostgreSQL',
      store: 'postgresInbox',
      handler: idempotent((n: number, _delivery, tx: pg.PoolClient) => tx.query(row, [n]), {
        store: inbox,
        scope,
      }),
    },
  ];
  const kept = opening.move();
  return { contenders, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
