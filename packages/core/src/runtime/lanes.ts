import { Deque } from '../internal/deque.ts';
import type { Item, Lane, Part } from './item.ts';

/*
 * A lane is what is handled strictly one after the other. With a handler for single documents the head of a lane is
 * the document that is free to run, running or held. With a batch handler a partition runs one batch at a time, so
 * that only a held document makes a lane, and everything of its key waits behind it.
 */

/** Whether the item may go on; otherwise it now waits in its lane. */
export function enterLane(part: Part, item: Item, single: boolean): boolean {
  if (item.lane === undefined) return true;
  const lane = part.lanes.get(item.lane);
  if (lane?.head !== undefined && lane.head !== item) {
    lane.waiting.push(item);
    return false;
  }
  if (single && lane === undefined) part.lanes.set(item.lane, newLane(item));
  return true;
}

/** Makes a held item what its lane waits for. Returns what must wait now although it was free to run. */
export function blockLane(part: Part, item: Item): readonly Item[] {
  if (item.lane === undefined) {
    part.loose.add(item);
    return [];
  }
  const lane = part.lanes.get(item.lane);
  if (lane !== undefined) return [];
  const made = newLane(item);
  part.lanes.set(item.lane, made);
  const behind = part.fifo.take((other) => other.lane === item.lane);
  for (const other of behind) made.waiting.push(other);
  return behind;
}

/** Puts items of a batch that came after a failed one of their key in front of what waits already. */
export function returnToLane(part: Part, items: readonly Item[]): void {
  for (const item of items.toReversed()) part.lanes.get(item.lane as string)?.waiting.unshift(item);
}

/** The item is over: what may go on now. */
export function leaveLane(part: Part, item: Item, single: boolean): readonly Item[] {
  if (item.lane === undefined) {
    part.loose.delete(item);
    return [];
  }
  const lane = part.lanes.get(item.lane);
  if (lane === undefined || lane.head !== item) return [];
  if (single) {
    lane.head = lane.waiting.shift();
    if (lane.head !== undefined) return [lane.head];
  }
  part.lanes.delete(item.lane);
  return [...lane.waiting];
}

function newLane(head: Item): Lane {
  return { head, waiting: new Deque() };
}
