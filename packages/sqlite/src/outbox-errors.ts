import { BusError } from '@duobus/core';
import type { OutboxSql } from './outbox-sql.ts';

/** SQLITE_BUSY and SQLITE_LOCKED: somebody else writes. As node:sqlite and as better-sqlite3 say it. */
export function isBusy(error: unknown): boolean {
  const { errcode, code } = (error ?? {}) as {
    readonly errcode?: unknown;
    readonly code?: unknown;
  };
  if (typeof errcode === 'number') return (errcode & 0xff) === 5 || (errcode & 0xff) === 6;
  return typeof code === 'string' && /^SQLITE_(?:BUSY|LOCKED)/.test(code);
}

/** What went wrong in SQLite as an error of duobus. */
export function outboxError(call: string, sql: OutboxSql, cause: unknown): BusError {
  if (BusError.is(cause)) return cause;
  const text = cause instanceof Error ? cause.message : String(cause);
  if (/no such (?:table|column)|has no column/.test(text)) {
    return new BusError(
      'DUOBUS_NOT_FOUND',
      `${call}: the tables of the outbox (${sql.rows}) are missing or of another version: call outbox.migrate() first`,
      { cause },
    );
  }
  return new BusError('DUOBUS_UNAVAILABLE', `${call}: SQLite failed: ${text}`, {
    cause,
    retryable: true,
  });
}

export function wrongVersion(call: string, sql: OutboxSql, found: unknown): BusError {
  return new BusError(
    'DUOBUS_NOT_FOUND',
    `${call}: the tables of the outbox (${sql.rows}) are of version ${String(found)}, this package needs another: upgrade it, or call outbox.migrate()`,
  );
}
