import { BusError } from '@duobus/core';
import type { SetAsideReason } from './store.ts';

/** What a failed publish means: try again with the same id, never try again, or the bus is gone. */
export type Verdict = 'retry' | 'refused' | 'closed';

export function verdictOf(error: unknown): Verdict {
  if (BusError.is(error, 'DUOBUS_CLOSED')) return 'closed';
  if (error instanceof TypeError) return 'refused';
  // an error that is none of the bus's says nothing about the document
  if (!BusError.is(error) || error.retryable || error.outcome === 'unknown') return 'retry';
  return 'refused';
}

/** Kept in the row: bounded, as messages can quote what was published. */
export function reasonOf(error: unknown): SetAsideReason {
  const code = BusError.is(error) ? error.code : error instanceof Error ? error.name : 'Error';
  const message = error instanceof Error ? error.message : String(error);
  // no database takes half a surrogate pair or a NUL in a text
  const text = Buffer.from(message.slice(0, 2_000)).toString().replaceAll('\0', '');
  return { code, message: text };
}
