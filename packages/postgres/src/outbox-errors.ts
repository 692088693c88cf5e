import { BusError } from '@duobus/core';
import { notMigrated } from '@duobus/outbox/sql';
import type { OutboxSql } from './outbox-sql.ts';

/** Undefined: table, column, schema, function. */
const missing: ReadonlySet<unknown> = new Set(['42P01', '42703', '3F000', '42883']);
const refused: ReadonlySet<unknown> = new Set(['42501', '28000', '28P01']);

/** What went wrong in PostgreSQL, or on the way there, as an error of duobus. Libraries around a client wrap its errors. */
export function outboxError(call: string, sql: OutboxSql, cause: unknown): BusError {
  if (BusError.is(cause)) return cause;
  const codes = codesOf(cause);
  const text = messageOf(cause);
  if (codes.some((code) => missing.has(code)) || text.includes(`"${sql.channel}" does not exist`)) {
    return notMigrated(call, sql.rows, cause);
  }
  if (codes.some((code) => refused.has(code)))
    return new BusError('DUOBUS_PERMISSION', `${call}: PostgreSQL refused: ${text}`, { cause });
  return new BusError('DUOBUS_UNAVAILABLE', `${call}: PostgreSQL failed: ${text}`, {
    cause,
    retryable: true,
  });
}

function codesOf(error: unknown): unknown[] {
  const codes: unknown[] = [];
  let at = error as
    | { code?: unknown; cause?: unknown; meta?: { code?: unknown } }
    | undefined
    | null;
  for (let depth = 0; depth < 5 && typeof at === 'object' && at !== null; depth += 1) {
    codes.push(at.code, at.meta?.code);
    at = at.cause as typeof at;
  }
  return codes;
}

function messageOf(error: unknown): string {
  if (error instanceof AggregateError)
    return error.errors.map((one: unknown) => messageOf(one)).join('; ');
  return error instanceof Error ? error.message : String(error);
}
