export { postgresOutbox } from './outbox.ts';
export type { PostgresOutboxOptions } from './outbox-options.ts';
export type {
  PgPool,
  PgPoolClient,
  PgQueryable,
  PgResult,
  PgTransaction,
  QueryFunction,
} from './outbox-client.ts';
