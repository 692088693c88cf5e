import assert from 'node:assert/strict';
import type { Predicate } from '../../src/predicates.ts';
import type { Story } from './histories.ts';

/** Every predicate has to tell a clean history from a violating one. */
export function tells(
  predicate: Predicate,
  clean: readonly Story[],
  violating: readonly (readonly [Story, RegExp])[],
): void {
  for (const story of clean) assert.deepEqual(predicate(story.history), []);
  for (const [story, message] of violating)
    assert.match(predicate(story.history).join('\n'), message);
}
