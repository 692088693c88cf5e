import { BusError } from '@duobus/core';
import type { Case } from './case.ts';
import type { History } from './history.ts';
import { NotAllowed, storyOf, told } from './story.ts';

/** Why a case failed, for whoever has to mend the adapter. */
export interface Failure {
  /** What is promised to users, and was not kept. */
  readonly promised: string;
  /** What was seen instead. */
  readonly seen: string;
  /** The shortest part of the recorded history that shows it, one operation a line. */
  readonly history: readonly string[];
  /** How many operations were recorded in all. */
  readonly recorded: number;
  /** What usually causes it. */
  readonly causes: string;
}

export function failureOf(
  { promises, causes }: Case,
  error: unknown,
  history: History,
  ordered: readonly string[],
): Failure {
  const { ops, fault } = storyOf(history, error, ordered);
  const usual = error instanceof NotAllowed ? error.first.causes : fault?.causes;
  return {
    promised: promises,
    seen: `${reasonOf(error)}${fault === undefined ? '' : `\nand: ${fault.text}`}`,
    history: told(ops),
    recorded: history.ops.length,
    causes: usual ?? causes,
  };
}

/** Everything that is to be said, and how to see it again. */
export function failureText(
  { promised, seen, history, recorded, causes }: Failure,
  states: string,
  again: string,
): string {
  const shown =
    history.length === 0
      ? 'Nothing had been recorded yet.'
      : `What shows it, of ${recorded} operations (begun-ended, by whom):\n${history.map((line) => `  ${line}`).join('\n')}`;
  return `Promised: ${promised}\nSeen: ${seen}\n${states}${shown}\nUsual cause: ${causes}\nRun it again: ${again}`;
}

export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? `\ncaused by ${error.cause.message}` : '';
  const code = BusError.is(error) ? `${error.code}: ` : '';
  const place = /\n\s+at .*cases\/[^\n]*/.exec(error.stack ?? '')?.[0] ?? '';
  return `${code}${error.message}${cause}${place}`;
}
