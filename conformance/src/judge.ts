import { causes } from './causes.ts';
import { Fault } from './fault.ts';
import type { History } from './history.ts';
import { noSkips, onePlaceEach, resetExact } from './log-predicates.ts';
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

/** What a history violates. `ordered`: topics whose order is by key. */
export function judge(history: History, ordered: readonly string[]): Fault[] {
  const named = (name: string, predicate: Predicate): Fault[] =>
    predicate(history).map(({ text, ops }) => new Fault(`${name}: ${text}`, ops, causes[name]));
  const general = Object.entries(always).flatMap(([name, predicate]) => named(name, predicate));
  return [...general, ...ordered.flatMap((topic) => named('keyOrder', keyOrder(topic)))];
}
