import { causes } from './causes.ts';
import { closeRepeatsNothing, failuresAreKept, reachesAll } from './completeness.ts';
import { Fault } from './fault.ts';
import { type History, mostOps } from './history.ts';
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
): Fault[] {
  if (history.full)
    return [
      new Fault(
        `runaway: ${mostOps} operations, and no end: documents are handed out again and again`,
        history.ops.slice(-2),
        causes['runaway'],
      ),
    ];
  const named = (name: string, predicate: Predicate): Fault[] =>
    predicate(history).map(({ text, ops }) => new Fault(`${name}: ${text}`, ops, causes[name]));
  const general = Object.entries(predicates).flatMap(([name, predicate]) => named(name, predicate));
  return [...general, ...ordered.flatMap((topic) => named('keyOrder', keyOrder(topic)))];
}
