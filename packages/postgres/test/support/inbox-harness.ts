import type { InboxHarness } from '@duobus/conformance/inbox';
import pg from 'pg';
import { postgresInbox } from '../../src/index.ts';

export interface HarnessOptions {
  /** May be set later. */
  url: string;
}

/** Its table of effects is made by the test. */
export function inboxHarness(given: unknown): InboxHarness {
  const server = given as HarnessOptions;
  const poolOf = (connectionString: string): pg.Pool => {
    const pool = new pg.Pool({ connectionString, max: 4 });
    pool.on('error', () => undefined); // of connections that nobody has
    return pool;
  };
  const opened = (pool: pg.Pool, options: object) => ({
    store: postgresInbox(pool, options),
    close: () => pool.end(),
  });
  return {
    name: 'postgres',
    open: async (options = {}) => opened(poolOf(server.url), options),
    effects: {
      write: async (tx, effect) =>
        void (await (tx as pg.PoolClient).query('INSERT INTO effects VALUES ($1)', [effect])),
      read: async (containing) => {
        const pool = poolOf(server.url);
        const found = await pool.query<{ effect: string }>(
          'SELECT effect FROM effects WHERE position($1 in effect) > 0',
          [containing],
        );
        await pool.end();
        return found.rows.map(({ effect }) => effect);
      },
    },
    // port 9 is nobody's here
    away: async () => opened(poolOf('postgres://duobus:duobus@127.0.0.1:9/duobus'), {}),
    processes: { module: import.meta.url, options: server },
  };
}
