import { createSyncOutbox, type SyncOutbox } from '@duobus/outbox';
import type { SqliteDatabase } from './outbox-database.ts';
import { sqliteSettings, type SqliteOutboxOptions } from './outbox-options.ts';
import { SqliteOutboxStore } from './outbox-store.ts';

/**
 * An outbox in SQLite, 3.42 or newer.
 * @throws TypeError for wrong options
 * @example const outbox = sqliteOutbox({ source: '/shop', database: new DatabaseSync('shop.db') })
 */
export function sqliteOutbox(options: SqliteOutboxOptions): SyncOutbox<SqliteDatabase> {
  const { settings, outbox } = sqliteSettings(options);
  return createSyncOutbox(new SqliteOutboxStore(settings), outbox);
}
