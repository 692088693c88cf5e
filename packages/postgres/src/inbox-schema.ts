import { BusError } from '@duobus/core/driver';
import { notMigrated } from './inbox-errors.ts';
import type { InboxSettings } from './inbox-options.ts';
import type { PgClient } from './pool.ts';

/** What leads from each version of the table to the next; the version is in its comment. */
function steps({ table, index }: InboxSettings): readonly (readonly string[])[] {
  return [
    [
      // at: when it was done, or when the lease of its owner ends
      `CREATE TABLE IF NOT EXISTS ${table} (hash bytea PRIMARY KEY, owner text, at timestamptz NOT NULL)`,
      `CREATE INDEX IF NOT EXISTS ${index} ON ${table} (at)`,
    ],
  ];
}

const version = 1;

/** Any number will do, as long as it is the same everywhere. */
const migrationLock = '7308332045512827254';

interface Found {
  readonly exists: boolean;
  /** `undefined` where it is not a table of ours. */
  readonly version: number | undefined;
}

async function find(client: PgClient, table: string): Promise<Found> {
  const { rows } = await client.query(
    "SELECT to_regclass($1) IS NOT NULL AS there, obj_description(to_regclass($1)::oid, 'pg_class') AS note",
    [table],
  );
  const { there, note } = rows[0] as { there: boolean; note: string | null };
  const digits = /^duobus inbox v(\d+)$/.exec(note ?? '')?.[1];
  return { exists: there, version: digits === undefined ? undefined : Number(digits) };
}

/** @throws BusError unless the table is there in the version of this package. */
export async function checkSchema(client: PgClient, settings: InboxSettings): Promise<void> {
  const { table } = settings;
  const found = await find(client, table);
  if (!found.exists) throw notMigrated(table);
  const has = ours(found, table);
  if (has < version) throw notMigrated(table);
}

/** Creates the table or brings it up to this version, in one transaction. */
export async function migrate(client: PgClient, settings: InboxSettings): Promise<void> {
  const { table, schema } = settings;
  await client.query('BEGIN');
  try {
    await client.query(`SET LOCAL lock_timeout = '60s'`);
    await client.query('SELECT pg_advisory_xact_lock($1::bigint)', [migrationLock]);
    if (schema !== undefined) await makeSchema(client, schema);
    const found = await find(client, table);
    const has = found.exists ? ours(found, table) : 0;
    if (has < version) {
      for (const step of steps(settings).slice(has))
        for (const statement of step) await client.query(statement);
      await client.query(`COMMENT ON TABLE ${table} IS 'duobus inbox v${version}'`);
    }
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined); // what failed first is what has to be told
    throw error;
  }
}

/** CREATE SCHEMA IF NOT EXISTS asks for a permission that who may use an existing one need not have. */
async function makeSchema(client: PgClient, schema: string): Promise<void> {
  const { rows } = await client.query('SELECT to_regnamespace($1) IS NOT NULL AS there', [schema]);
  if (rows[0]?.['there'] !== true) await client.query(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
}

function ours({ version: has }: Found, table: string): number {
  if (has === undefined)
    throw new BusError(
      'DUOBUS_CONFLICT',
      `postgresInbox: the table ${table} exists and is no inbox of duobus: name another with the option table`,
      { context: { table } },
    );
  if (has > version)
    throw new BusError(
      'DUOBUS_CONFLICT',
      `postgresInbox: the table ${table} has version ${has}, this package knows up to ${version}: update @duobus/postgres`,
      { context: { table, has, knows: version } },
    );
  return has;
}
