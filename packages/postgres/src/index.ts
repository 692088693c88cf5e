export { postgresInbox } from './inbox.ts';
export type { PostgresInbox } from './inbox.ts';
export type { PostgresInboxOptions } from './inbox-options.ts';
export type { PgClient, PgPool, PgResult } from './pool.ts';
