import { BusError, type ErrorCode } from '@duobus/core/driver';

/** The primary code of SQLite, of an error of node:sqlite. */
function codeOf(error: unknown): number | undefined {
  const { errcode } = (error ?? {}) as { readonly errcode?: unknown };
  return typeof errcode === 'number' ? errcode & 0xff : undefined;
}

const inTheWay = 'others have written to it for longer than busyTimeoutMs: keep transactions short';

const verdicts: Readonly<Record<number, readonly [ErrorCode, retryable: boolean, help: string]>> = {
  5: ['DUOBUS_UNAVAILABLE', true, inTheWay],
  6: ['DUOBUS_UNAVAILABLE', true, inTheWay],
  8: ['DUOBUS_PERMISSION', false, 'the file may not be written to'],
  10: ['DUOBUS_UNAVAILABLE', true, 'the disk has failed'],
  11: ['DUOBUS_REJECTED', false, 'the file is damaged: restore it from a backup'],
  13: ['DUOBUS_UNAVAILABLE', true, 'the disk is full'],
  14: ['DUOBUS_UNAVAILABLE', true, 'the file cannot be opened: does its folder exist?'],
  23: ['DUOBUS_PERMISSION', false, 'an authorizer has refused it'],
  26: ['DUOBUS_REJECTED', false, 'the file is no SQLite database'],
};

/** What an error of a statement of the inbox's own means. */
export function storeError(cause: unknown, doing: string, path: string): unknown {
  if (BusError.is(cause) || cause instanceof TypeError) return cause;
  const code = codeOf(cause);
  const [kind, retryable, help] = verdicts[code ?? -1] ?? [
    'DUOBUS_REJECTED' as const,
    false,
    'SQLite has refused it',
  ];
  const said = cause instanceof Error ? cause.message : String(cause);
  return new BusError(kind, `sqliteInbox could not ${doing} (${path}): ${help}: ${said}`, {
    cause,
    retryable,
    context: { path, code },
  });
}
