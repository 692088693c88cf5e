import { outboxOptionNames, type OutboxOptions } from '@duobus/outbox';
import { checkFlag, checkOptions } from '@duobus/core/envelopes';
import type { PgOutboxPool } from './outbox-client.ts';

export interface PostgresOutboxOptions extends OutboxOptions {
  /** A pool of node-postgres, of at least 2 connections: one listens. It stays yours: close it after the relay. Required. */
  readonly pool: PgOutboxPool;
  /** Schema of the tables. Default 'public'. */
  readonly schema?: string;
  /** What the names of the tables begin with. Default 'duobus_'. */
  readonly prefix?: string;
  /** Whether a relay keeps a connection for NOTIFY, by which new rows wake it. Where connections go through PgBouncer in
   *  transaction mode it cannot. Default true. */
  readonly listen?: boolean;
}

export interface PostgresSettings {
  readonly pool: PgOutboxPool;
  readonly schema: string;
  readonly prefix: string;
  readonly listen: boolean;
}

/** Identifiers that need no quotes; short enough for what is added to a prefix. */
const schemaPattern = /^[a-z_][a-z0-9_]{0,62}$/;
const prefixPattern = /^[a-z_][a-z0-9_]{0,29}$/;

/** @throws TypeError for options that `postgresOutbox` does not take. */
export function postgresSettings(options: PostgresOutboxOptions): {
  readonly settings: PostgresSettings;
  readonly outbox: OutboxOptions;
} {
  const known = ['pool', 'schema', 'prefix', 'listen'];
  checkOptions('postgresOutbox', options, [...outboxOptionNames, ...known]);
  const { pool, schema = 'public', prefix = 'duobus_', listen = true, ...outbox } = options;
  if (typeof pool?.query !== 'function' || typeof pool.connect !== 'function')
    throw new TypeError('postgresOutbox: pool must be a Pool of node-postgres, e.g. new pg.Pool()');
  if (typeof schema !== 'string' || !schemaPattern.test(schema))
    throw new TypeError(
      'postgresOutbox: schema must be 1 to 63 of a-z, 0-9 and _ that do not begin with a digit',
    );
  if (typeof prefix !== 'string' || !prefixPattern.test(prefix))
    throw new TypeError(
      'postgresOutbox: prefix must be 1 to 30 of a-z, 0-9 and _ that do not begin with a digit',
    );
  checkFlag('postgresOutbox', 'listen', listen);
  const { max } = (pool as { readonly options?: { readonly max?: unknown } }).options ?? {};
  if (listen && typeof max === 'number' && max < 2)
    throw new TypeError(
      'postgresOutbox: pool must have at least 2 connections, as one listens: raise its max, or pass { listen: false }',
    );
  return { settings: { pool, schema, prefix, listen }, outbox };
}
