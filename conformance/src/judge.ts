import { closeRepeatsNothing, failuresAreKept, reachesAll } from './completeness.ts';
import type { History } from './history.ts';
import { noSkips, onePlaceEach, resetExact } from './log-predicates.ts';
import {
  inPlaceOrder,
  ownPointer,
  pointerTellsTheTruth,
  readingKeepsAll,
  refusedMovesNothing,
  replaysAlike,
} from './pointer-predicates.ts';
import {
  attemptsCount,
  causedDuplicates,
  keyOrder,
  noHistory,
  noPhantoms,
  nothingAltered,
  oneConsumerAtATime,
  type Predicate,
  readOnce,
} from './predicates.ts';

/** What holds for every history, whatever the case is about. */
export const always: Readonly<Record<string, Predicate>> = {
  noPhantoms,
  nothingAltered,
  noHistory,
  causedDuplicates,
  readOnce,
  oneConsumerAtATime,
  attemptsCount,
  onePlaceEach,
  resetExact,
  noSkips,
};

/** What holds as well where a history is seen to its end, and is looked at on the way. */
export const thorough: Readonly<Record<string, Predicate>> = {
  reachesAll,
  closeRepeatsNothing,
  failuresAreKept,
  inPlaceOrder,
  replaysAlike,
  ownPointer,
  readingKeepsAll,
  pointerTellsTheTruth,
  refusedMovesNothing,
};

/** What a history violates. `ordered`: topics whose order is by key. */
export function judge(
  history: History,
  ordered: readonly string[],
  predicates: Readonly<Record<string, Predicate>> = always,
): string[] {
  const general = Object.entries(predicates).flatMap(([name, predicate]) =>
    predicate(history).map((fault) => `${name}: ${fault}`),
  );
  const order = ordered.flatMap((topic) =>
    keyOrder(topic)(history).map((fault) => `keyOrder: ${fault}`),
  );
  return [...general, ...order];
}
