export { sqliteInbox } from './inbox.ts';
export type { SqliteInbox } from './inbox.ts';
export type { SqliteInboxOptions } from './inbox-options.ts';
export type { SqliteTransaction } from './inbox-transaction.ts';
