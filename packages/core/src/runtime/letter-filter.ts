import { deadReasons, type DeadLetter, type DeadLetterFilter } from '../dead-letters.ts';
import { checkOptions } from '../internal/check-options.ts';
import { checkOneOf } from '../internal/check-values.ts';

/** Which dead letters a filter is about. */
export function chooser(filter: DeadLetterFilter | undefined): (letter: DeadLetter) => boolean {
  if (filter === undefined) return () => true;
  checkOptions('dead letters', filter, ['identities', 'reason', 'where']);
  const { identities, reason, where } = filter;
  checkOneOf('dead letters', 'reason', reason, deadReasons);
  if (identities !== undefined && !Array.isArray(identities))
    throw new TypeError('dead letters: identities must be a list of identities');
  if (where !== undefined && typeof where !== 'function')
    throw new TypeError(
      'dead letters: where must be a function from a dead letter to true or false',
    );
  const named = identities === undefined ? undefined : new Set(identities);
  return (letter) =>
    (named?.has(letter.identity) ?? true) &&
    (reason === undefined || letter.reason === reason) &&
    (where?.(letter) ?? true);
}
