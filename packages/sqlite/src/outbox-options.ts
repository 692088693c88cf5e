import { checkOptions } from '@duobus/core/envelopes';
import { outboxOptionNames, type OutboxOptions } from '@duobus/outbox';
import type { SqliteDatabase } from './outbox-database.ts';

export interface SqliteOutboxOptions extends OutboxOptions {
  /** A connection of the outbox's own, to the file that your transactions write to: what is not committed must not be seen
   *  through it. It stays yours: close it after the relay. Required. */
  readonly database: SqliteDatabase;
  /** What the names of the tables begin with. Default 'duobus_'. */
  readonly prefix?: string;
}

export interface SqliteSettings {
  readonly database: SqliteDatabase;
  readonly prefix: string;
}

const prefixPattern = /^[a-z_][a-z0-9_]{0,29}$/;

/** @throws TypeError for options that `sqliteOutbox` does not take. */
export function sqliteSettings(options: SqliteOutboxOptions): {
  readonly settings: SqliteSettings;
  readonly outbox: OutboxOptions;
} {
  checkOptions('sqliteOutbox', options, [...outboxOptionNames, 'database', 'prefix']);
  const { database, prefix = 'duobus_', ...outbox } = options;
  if (typeof database?.prepare !== 'function' || typeof database.exec !== 'function')
    throw new TypeError(
      'sqliteOutbox: database must be a connection of its own, e.g. new DatabaseSync(path) of node:sqlite',
    );
  if (typeof prefix !== 'string' || !prefixPattern.test(prefix))
    throw new TypeError(
      'sqliteOutbox: prefix must be 1 to 30 of a-z, 0-9 and _ that do not begin with a digit',
    );
  return { settings: { database, prefix }, outbox };
}
