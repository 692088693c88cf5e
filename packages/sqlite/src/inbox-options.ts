import { resolve } from 'node:path';
import { OptionReader } from '@duobus/core/driver';

export interface SqliteInboxOptions {
  /** The database file of your effects. It is made if there is none; its folder must be there. */
  readonly path: string;
  /** The table of the marks: a-z, 0-9 and _, at most 40. It is made if there is none. Default `duobus_inbox`. */
  readonly table?: string;
  /** How long a mark is kept, in ms; `null` is for ever. Must not be below the retention of the topics. Default
   *  604,800,000 (7 days), which is how long a topic keeps its documents by default. */
  readonly keepsForMs?: number | null;
  /** How long to try while others write to the file, in ms; then DUOBUS_UNAVAILABLE. Default 10,000. */
  readonly busyTimeoutMs?: number;
  /** Transactions that may wait for their turn in this process; more are DUOBUS_UNAVAILABLE. Default 10,000. */
  readonly maxWaiting?: number;
}

export interface InboxSettings {
  /** Absolute. */
  readonly path: string;
  /** Without quotes, which it does not need. */
  readonly table: string;
  readonly keepsForMs: number | null;
  readonly busyTimeoutMs: number;
  readonly maxWaiting: number;
}

const known = ['path', 'table', 'keepsForMs', 'busyTimeoutMs', 'maxWaiting'] as const;

/** @throws TypeError that says which option is wrong and what it takes. */
export function inboxSettings(given: unknown): InboxSettings {
  const options = typeof given === 'string' ? { path: given } : given;
  const read = new OptionReader('sqliteInbox', options, known);
  const path = read.text('path', undefined);
  if (path === undefined) throw read.wrong('path must be the file of the database, e.g. shop.db');
  if (path.startsWith(':') || path.startsWith('file:'))
    throw read.wrong(
      `path must be a file, got '${path.slice(0, 80)}': for marks in memory use memoryStore()`,
    );
  const table = read.text('table', 'duobus_inbox');
  if (!/^[a-z_][a-z0-9_]{0,39}$/.test(table) || table.startsWith('sqlite_'))
    throw read.wrong(
      `table must be 1 to 40 of a-z 0-9 _ beginning with a letter or _, got '${table.slice(0, 80)}'`,
    );
  const keepsForMs =
    read.value('keepsForMs') === null
      ? null
      : read.integer('keepsForMs', 604_800_000, 1, Number.MAX_SAFE_INTEGER);
  return {
    path: resolve(path),
    table,
    keepsForMs,
    busyTimeoutMs: read.integer('busyTimeoutMs', 10_000, 0),
    maxWaiting: read.integer('maxWaiting', 10_000, 1),
  };
}
