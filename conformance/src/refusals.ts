import { BusError } from '@duobus/core';
import type { ResetOp } from './history.ts';

/** With these a reset is refused before anything has moved. */
const refusals: ReadonlySet<string | undefined> = new Set([
  'DUOBUS_INVALID',
  'DUOBUS_POSITION_GONE',
  'DUOBUS_NOT_FOUND',
]);

/** Keeps the error's code, and tells whether a reset that failed with it may have moved something all the same. */
export function noteRefusal(error: unknown, op: ResetOp): 'fail' | 'info' {
  const code = codeOf(error);
  if (code !== undefined) op.code = code;
  return refusals.has(code) ? 'fail' : 'info';
}

/** From another process it comes as an error with a code, and is no BusError any more. */
function codeOf(error: unknown): string | undefined {
  if (BusError.is(error)) return error.code;
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}
