import { after, before, describe, it } from 'node:test';
import { outboxSuite } from '@duobus/conformance/outbox';
import { postgresOutbox } from '../src/index.ts';
import { type Database, startDatabase } from './support/outbox-database.ts';

describe('the outbox in PostgreSQL', () => {
  let database: Database;
  before(async () => {
    database = await startDatabase();
  });
  after(() => database[Symbol.asyncDispose]());

  outboxSuite({
    test: it,
    outbox: {
      name: 'postgres',
      open: () => {
        const pool = database.pool();
        const options = { source: '/suite', pool, schema: database.schema() };
        return {
          store: postgresOutbox(options).store,
          other: postgresOutbox({ ...options, pool: database.pool() }).store,
          async begin() {
            const client = await pool.connect();
            await client.query('begin');
            const end = async (verb: string): Promise<void> => {
              await client.query(verb);
              client.release();
            };
            return { tx: client, commit: () => end('commit'), rollback: () => end('rollback') };
          },
          close: () => undefined,
        };
      },
    },
  });
});
