import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { idempotent } from '@duobus/core';
import { drizzle } from 'drizzle-orm/node-postgres';
import { eq, sql } from 'drizzle-orm';
import { pgTable, text } from 'drizzle-orm/pg-core';
import { Kysely, PostgresDialect } from 'kysely';
import type pg from 'pg';
import { postgresInbox } from '../src/index.ts';
import { newKey, useServer } from './support/server.ts';

const effectsTable = pgTable('effects', { effect: text('effect') });

interface Database {
  effects: { effect: string };
}

const kyselyOf = (tx: pg.PoolClient): Kysely<Database> =>
  new Kysely({
    dialect: new PostgresDialect({
      pool: { options: {}, connect: async () => tx, end: async () => undefined },
    }),
  });

describe('the transaction of postgresInbox, in other hands', () => {
  const server = useServer();

  /** Each writes an effect, and finds it within the transaction. */
  const clients: Readonly<Record<string, (tx: pg.PoolClient, effect: string) => Promise<unknown>>> =
    {
      async Drizzle(tx, effect) {
        const database = drizzle(tx);
        await database.insert(effectsTable).values({ effect });
        await database.execute(sql`SELECT 1`);
        return database.select().from(effectsTable).where(eq(effectsTable.effect, effect));
      },
      async Kysely(tx, effect) {
        const database = kyselyOf(tx);
        await database.insertInto('effects').values({ effect }).execute();
        return database.selectFrom('effects').selectAll().where('effect', '=', effect).execute();
      },
    };

  for (const [name, writeAndFind] of Object.entries(clients))
    it(`is used with ${name}`, async () => {
      const inbox = await server.inbox(server.pool({ max: 2 }));
      const key = newKey();
      const run = (then: () => void) =>
        inbox.transaction(key, async (tx) => {
          const found = await writeAndFind(tx, key);
          then();
          return found;
        });
      await assert.rejects(
        run(() => {
          throw new Error('broken');
        }),
        /broken/,
      );
      assert.deepEqual(await server.effects(key), []);
      assert.deepEqual((await run(() => undefined)).value, [{ effect: key }]);
      assert.deepEqual(await server.effects(key), [key]);
      assert.equal((await run(() => undefined)).result, 'done');
    });

  it('does not let them begin a transaction of their own', async () => {
    const inbox = await server.inbox(server.pool({ max: 2 }));
    await assert.rejects(
      inbox.transaction(newKey(), (tx) => drizzle(tx).transaction(async () => undefined)),
      (error: Error) => /cannot begin or end/.test(String(error.cause ?? error)),
    );
    await assert.rejects(
      inbox.transaction(newKey(), (tx) =>
        kyselyOf(tx)
          .transaction()
          .execute(async () => undefined),
      ),
      /cannot begin or end/,
    );
  });

  it('has the type of what the pool hands out', async () => {
    const pool = server.pool();
    const handler = idempotent(
      async (_document, _delivery, tx) => (await tx.query('SELECT 1 AS one')).rows,
      { store: postgresInbox(pool), scope: 's' },
    );
    assert.equal(typeof handler, 'function');
    const typed = idempotent(
      async (_document, _delivery, tx) =>
        (await tx.query<{ one: number }>('SELECT 1 AS one')).rows[0]?.one,
      { store: postgresInbox<pg.PoolClient>(pool), scope: 's' },
    );
    assert.equal(typeof typed, 'function');
  });
});
