import { BusError, type ErrorCode } from '@duobus/core/driver';

/** What is told about errors of statements that are the inbox's own. */
export interface ErrorPlace {
  /** What was tried, as the message begins. */
  readonly doing: string;
  readonly table: string;
}

interface Verdict {
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly help: string;
}

const unavailable: Verdict = {
  code: 'DUOBUS_UNAVAILABLE',
  retryable: true,
  help: 'the database cannot be reached, or takes no work for now',
};

/** By SQLSTATE, the longest beginning first. */
const verdicts: readonly (readonly [state: string, Verdict])[] = [
  ['42501', permission('the user may not use the table: grant select, insert, update and delete')],
  ['28', permission('the database has refused the login')],
  ['3D000', permission('there is no such database')],
  ['40', conflict('it collided with another transaction')],
  ['55P03', conflict('it collided with another transaction')],
  ['25006', { ...unavailable, help: 'the database is read-only, e.g. a standby' }],
  ['08', unavailable],
  ['53', unavailable],
  ['57P', unavailable],
];

function permission(help: string): Verdict {
  return { code: 'DUOBUS_PERMISSION', retryable: false, help };
}

function conflict(help: string): Verdict {
  return { code: 'DUOBUS_CONFLICT', retryable: true, help };
}

const missing = new Set(['42P01', '42703', '3F000']);

/** What an error of the client, or of the server, means. */
export function storeError(cause: unknown, { doing, table }: ErrorPlace): unknown {
  if (BusError.is(cause) || cause instanceof TypeError) return cause;
  const state = sqlState(cause);
  if (state !== undefined && missing.has(state)) return notMigrated(table, cause);
  const { code, retryable, help } = verdictOn(state);
  const said = cause instanceof Error ? cause.message || cause.name : String(cause);
  return new BusError(code, `postgresInbox could not ${doing} (${table}): ${help}: ${said}`, {
    cause,
    retryable,
    context: { table, state },
  });
}

export function notMigrated(table: string, cause?: unknown): BusError {
  return new BusError(
    'DUOBUS_NOT_FOUND',
    `postgresInbox: the table ${table} is missing, or older than this version needs: call inbox.migrate() once before, e.g. when you deploy`,
    { cause, context: { table } },
  );
}

/** Of what the server has said; without one the connection broke. */
export function sqlState(error: unknown): string | undefined {
  const { code, severity } = (error ?? {}) as { readonly code?: unknown; severity?: unknown };
  return typeof code === 'string' && severity !== undefined ? code : undefined;
}

function verdictOn(state: string | undefined): Verdict {
  if (state === undefined) return unavailable;
  const found = verdicts.find(([begin]) => state.startsWith(begin));
  return (
    found?.[1] ?? {
      code: 'DUOBUS_REJECTED',
      retryable: false,
      help: `the database has refused it (SQLSTATE ${state})`,
    }
  );
}
