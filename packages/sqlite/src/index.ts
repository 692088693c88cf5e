export { sqliteInbox } from './inbox.ts';
export type { SqliteInbox } from './inbox.ts';
export type { SqliteInboxOptions } from './inbox-options.ts';
export type { SqliteTransaction } from './inbox-transaction.ts';
export { sqliteOutbox } from './outbox.ts';
export type { SqliteDatabase, SqliteStatement } from './outbox-database.ts';
export type { SqliteOutboxOptions } from './outbox-options.ts';
