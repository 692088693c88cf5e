export { sqliteOutbox } from './outbox.ts';
export type { SqliteDatabase, SqliteStatement } from './outbox-database.ts';
export type { SqliteOutboxOptions } from './outbox-options.ts';
