export { postgresInbox } from './inbox.ts';
export type { PostgresInbox } from './inbox.ts';
export type { PostgresInboxOptions } from './inbox-options.ts';
export { postgresOutbox } from './outbox.ts';
export type { PostgresOutboxOptions } from './outbox-options.ts';
export type {
  PgListeningClient,
  PgOutboxPool,
  PgTransaction,
  QueryFunction,
} from './outbox-client.ts';
export type { PgClient, PgPool, PgQueryable, PgResult } from './pool.ts';
