import { DatabaseSync } from 'node:sqlite';
import { topic } from '@duobus/core';
import type { Outbox } from '@duobus/outbox';
import { postgresOutbox } from '@duobus/postgres';
import { sqliteOutbox } from '@duobus/sqlite';
import pg from 'pg';

/** A document that says which it is of its key, among those that committed. */
export interface Count {
  readonly key: string;
  readonly n: number;
  /** Of this very write, committed or not. */
  readonly token: string;
}

export const Counts = topic<Count>('counts', { key: ({ key }) => key, partitions: 4 });

const ignore = (): void => undefined;

/** A database with an outbox, and beside it the truth: what was committed. */
export interface Shop {
  readonly outbox: Pick<Outbox<never>, 'store' | 'lag'>;
  prepare(): Promise<void>;
  /** The next document of a key, in one transaction with the truth, which takes place after those of the same key. */
  count(key: string, token: string, commits: boolean): Promise<void>;
  /** Many documents at once, in transactions of a thousand. */
  fill(documents: readonly Count[]): Promise<void>;
  truth(): Promise<readonly Count[]>;
  close(): Promise<void>;
}

/** @param url of PostgreSQL, or the path of a file for SQLite */
export function openShop(url: string): Shop {
  return url.startsWith('postgres:') ? inPostgres(url) : inSqlite(url);
}

const tables = [
  'create table if not exists counters (key text primary key, n integer not null)',
  'create table if not exists committed (key text not null, n integer not null, token text not null)',
];
const next = `insert into counters (key, n) values ($1, 1)
  on conflict (key) do update set n = counters.n + 1 returning n`;
const note = 'insert into committed (key, n, token) values ($1, $2, $3)';
const noted = 'select key, n, token from committed';

function inPostgres(connectionString: string): Shop {
  const pool = new pg.Pool({ connectionString, max: 6 });
  pool.on('error', ignore); // the next query is told
  const outbox = postgresOutbox({ source: '/shop', pool });
  return {
    outbox,
    async prepare() {
      await outbox.migrate();
      for (const table of tables) await pool.query(table);
    },
    async count(key, token, commits) {
      const client = await pool.connect();
      let broken = true;
      client.on('error', ignore); // the query on its way is told
      try {
        await client.query('begin');
        const { rows } = await client.query<{ n: number }>(next, [key]);
        const n = rows[0]?.n ?? 0;
        await outbox.publish(client, Counts, { key, n, token }, { bus: 'data' });
        await client.query(note, [key, n, token]);
        await client.query(commits ? 'commit' : 'rollback');
        broken = false;
      } finally {
        client.off('error', ignore);
        client.release(broken);
      }
    },
    async fill(documents) {
      const client = await pool.connect();
      try {
        for (let at = 0; at < documents.length; at += 1_000) {
          await client.query('begin');
          await outbox.publishMany(client, Counts, documents.slice(at, at + 1_000), {
            bus: 'data',
          });
          await client.query('commit');
        }
      } finally {
        client.release();
      }
    },
    truth: async () => (await pool.query<Count>(noted)).rows,
    close: () => pool.end(),
  };
}

function inSqlite(path: string): Shop {
  const own = new DatabaseSync(path);
  const app = new DatabaseSync(path, { timeout: 30_000 });
  app.exec('pragma journal_mode = wal');
  const outbox = sqliteOutbox({ source: '/shop', database: own });
  const plain = (sql: string): string => sql.replaceAll(/\$(\d)/g, '?$1');
  return {
    outbox,
    async prepare() {
      await outbox.migrate();
      for (const table of tables) app.exec(table);
    },
    async count(key, token, commits) {
      app.exec('begin immediate');
      const { n } = app.prepare(plain(next)).get(key) as { n: number };
      outbox.publishSync(app, Counts, { key, n, token }, { bus: 'data' });
      app.prepare(plain(note)).run(key, n, token);
      app.exec(commits ? 'commit' : 'rollback');
    },
    async fill(documents) {
      for (let at = 0; at < documents.length; at += 1_000) {
        app.exec('begin immediate');
        outbox.publishManySync(app, Counts, documents.slice(at, at + 1_000), { bus: 'data' });
        app.exec('commit');
      }
    },
    truth: async () => app.prepare(noted).all() as unknown as Count[],
    async close() {
      app.close();
      own.close();
    },
  };
}
