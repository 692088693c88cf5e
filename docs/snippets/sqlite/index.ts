// #region adapter
import type { DatabaseSync } from 'node:sqlite';
import type { Adapter, AdapterConfig } from '@duobus/core';
import { SqliteQueueDriver } from './queue-driver.ts';

/** The event bus over a SQLite file.
 *  @example const bus = await connect(sqlite({ file: 'shop.db' }), { source: '/shop' }) */
export function sqlite({ file }: { readonly file: string }): Adapter<DatabaseSync> {
  return { name: 'sqlite', queue: new SqliteQueueDriver(file) };
}

/** What `connect('sqlite:shop.db')` calls, once it is registered. */
export function createAdapter({ url }: AdapterConfig): Adapter {
  return sqlite({ file: url.slice('sqlite:'.length) });
}
// #endregion adapter
