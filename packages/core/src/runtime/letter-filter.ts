import type { DeadLetter, DeadLetterFilter } from '../dead-letters.ts';
import { checkOptions } from '../internal/check-options.ts';

/** Which dead letters a filter is about. */
export function chooser(filter: DeadLetterFilter | undefined): (letter: DeadLetter) => boolean {
  if (filter === undefined) return () => true;
  checkOptions('dead letters', filter, ['identities', 'reason', 'where']);
  const { identities, reason, where } = filter;
  const named = identities === undefined ? undefined : new Set(identities);
  return (letter) =>
    (named?.has(letter.identity) ?? true) &&
    (reason === undefined || letter.reason === reason) &&
    (where?.(letter) ?? true);
}
