import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { BusError } from '@duobus/core';
import { drizzle } from 'drizzle-orm/node-postgres';
import { sql } from 'drizzle-orm/sql';
import { CompiledQuery, Kysely, PostgresDialect } from 'kysely';
import { postgresOutbox } from '../src/index.ts';
import { type Database, inTransaction, startDatabase } from './support/outbox-database.ts';
import { Orders, outboxStage } from './support/outbox-stage.ts';

let database: Database;
before(async () => {
  database = await startDatabase();
});
after(() => database[Symbol.asyncDispose]());

/** Two writes by a library's own transactions: the first is rolled back, the second commits. */
async function judged(
  work: (
    on: Awaited<ReturnType<typeof outboxStage>>,
    n: number,
    fails: boolean,
  ) => Promise<unknown>,
): Promise<void> {
  await using on = await outboxStage(database);
  await assert.rejects(work(on, 1, true), /^Error: rolled back$/);
  await work(on, 2, false);
  await on.relay();
  await on.until(() => on.got.length > 0);
  assert.deepEqual(
    on.got.map(({ n }) => n),
    [2],
  );
}

const failing = (fails: boolean): void => {
  if (fails) throw new Error('rolled back');
};

describe('postgresOutbox', () => {
  it('publishes what a transaction of node-postgres commits, and nothing it rolls back', () =>
    judged(({ pool, outbox }, n, fails) =>
      inTransaction(pool, async (tx) => {
        await outbox.publish(tx, Orders, { key: 'k', n });
        failing(fails);
      }),
    ));

  it('takes a transaction of Kysely', () =>
    judged(({ pool, outbox }, n, fails) =>
      new Kysely({ dialect: new PostgresDialect({ pool }) }).transaction().execute(async (trx) => {
        await outbox.publish(
          (text, params) => trx.executeQuery(CompiledQuery.raw(text, params)),
          Orders,
          { key: 'k', n },
        );
        failing(fails);
      }),
    ));

  it('takes a transaction of Drizzle', () =>
    judged(({ pool, outbox }, n, fails) =>
      drizzle({ client: pool }).transaction(async (trx) => {
        await outbox.publish(
          (text, params) => {
            const parts = text.split(/\$\d+/);
            return trx.execute(
              sql.join(
                parts.flatMap((part, at) => [
                  ...(at > 0 ? [sql`${params[at - 1]}`] : []),
                  sql.raw(part),
                ]),
              ),
            );
          },
          Orders,
          { key: 'k', n },
        );
        failing(fails);
      }),
    ));

  it("takes a function of the shape of Prisma's $queryRawUnsafe", () =>
    judged(({ pool, outbox }, n, fails) =>
      inTransaction(pool, async (client) => {
        const tx = {
          $queryRawUnsafe: async (text: string, ...values: unknown[]): Promise<unknown> =>
            (await client.query(text, values)).rows,
        };
        await outbox.publish((text, params) => tx.$queryRawUnsafe(text, ...params), Orders, {
          key: 'k',
          n,
        });
        failing(fails);
      }),
    ));

  it('writes many in one transaction, with and without keys', async () => {
    await using on = await outboxStage(database);
    const many = Array.from({ length: 1_200 }, (_, n) => ({ key: `k${n % 7}`, n }));
    const ids = await inTransaction(on.pool, (tx) =>
      on.outbox.publishMany(tx, Orders, many, { bus: 'both' }),
    );
    assert.equal(new Set(ids).size, 1_200);
    assert.equal((await on.outbox.lag()).rows, 2_400);
    await on.relay();
    await on.until(() => on.got.length === 1_200);
    for (let key = 0; key < 7; key += 1) {
      const ofKey = on.got.filter(({ n }) => n % 7 === key).map(({ n }) => n);
      assert.deepEqual(
        ofKey,
        ofKey.toSorted((a, b) => a - b),
      );
    }
    const logged = new Set<string>();
    while (logged.size < 1_200)
      for await (const { attributes } of on.bus.data.read(Orders)) logged.add(attributes?.id ?? '');
    assert.deepEqual(logged, new Set(ids));
  });

  it('says that migrate() is missing, to writers and relays', async () => {
    const pool = database.pool();
    const outbox = postgresOutbox({ source: '/shop', pool, schema: database.schema() });
    const missing = (error: unknown): boolean =>
      BusError.is(error, 'DUOBUS_NOT_FOUND') && error.message.includes('outbox.migrate()');
    await assert.rejects(
      inTransaction(pool, (tx) => outbox.publish(tx, Orders, { key: 'k', n: 1 })),
      missing,
    );
    const db = new Kysely({ dialect: new PostgresDialect({ pool }) });
    await assert.rejects(
      db.transaction().execute((trx) =>
        outbox.publish(
          (text, params) => trx.executeQuery(CompiledQuery.raw(text, params)),
          Orders,
          {
            key: 'k',
            n: 1,
          },
        ),
      ),
      missing,
    );
    await assert.rejects(outbox.lag(), missing);
  });

  it('says that the tables are of another version', async () => {
    const schema = database.schema();
    await using on = await outboxStage(database, { schema });
    await on.pool.query(`update "${schema}".duobus_outbox_state set version = 99`);
    await assert.rejects(on.relay(), /are of version 99.*outbox.migrate\(\)/);
    await assert.rejects(on.outbox.migrate(), /are of version 99/);
  });

  it('refuses wrong options and what is no transaction', async () => {
    const pool = database.pool();
    const wrong = [
      [{ source: '/s' }, /pool must be/],
      [{ source: '/s', pool, schema: 'a"b' }, /schema must be/],
      [{ source: '/s', pool, prefix: 'A' }, /prefix must be/],
      [{ source: '/s', pool, Schema: 'a' }, /Did you mean 'schema'/],
      [{ pool }, /source is missing/],
      [{ source: '/s', pool: database.pool({ max: 1 }) }, /at least 2 connections/],
    ] as const;
    for (const [options, message] of wrong)
      assert.throws(() => postgresOutbox(options as never), message);
    const outbox = postgresOutbox({ source: '/s', pool });
    await assert.rejects(outbox.publish(pool, Orders, { key: 'k', n: 1 }), /this is a pool/);
    await assert.rejects(outbox.publish({} as never, Orders, { key: 'k', n: 1 }), TypeError);
  });
});
