import { BusError } from '@duobus/core';
import { notMigrated } from '@duobus/outbox/sql';
import type { OutboxSql } from './outbox-sql.ts';

/** What went wrong in SQLite as an error of duobus. */
export function outboxError(call: string, sql: OutboxSql, cause: unknown): BusError {
  if (BusError.is(cause)) return cause;
  const text = cause instanceof Error ? cause.message : String(cause);
  if (/no such (?:table|column)|has no column/.test(text)) {
    return notMigrated(call, sql.rows, cause);
  }
  return new BusError('DUOBUS_UNAVAILABLE', `${call}: SQLite failed: ${text}`, {
    cause,
    retryable: true,
  });
}
