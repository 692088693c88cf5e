import { Deque } from '../internal/deque.ts';
import type { Item, Lane, Part } from './item.ts';

/*
 * A lane is what is handled strictly one after the other. With a handler for single documents the head of a lane is
 * the document that is free to run, running or held. With a batch handler a partition runs one batch at a time, so
 * that only a held document, or one that is to be handled alone, makes a lane: everything of its key waits behind it.
 */

const none: readonly Item[] = [];

/** Whether the item may go on; otherwise it now waits in its lane. */
export function enterLane(part: Part, item: Item, single: boolean): boolean {
  if (item.lane === undefined) return true;
  const lane = part.lanes.get(item.lane);
  if (lane === undefined) {
    if (single || item.suspect) part.lanes.set(item.lane, newLane(item));
    return true;
  }
  if (lane.head === item) return true;
  lane.waiting.push(item);
  return false;
}

/** Makes a held item what its lane waits for. `displace` takes, in order, what of its lane was free to run. */
export function blockLane(part: Part, item: Item, displace: () => readonly Item[]): void {
  if (item.lane === undefined) {
    part.loose.add(item);
    return;
  }
  const lane = part.lanes.get(item.lane);
  if (lane?.head === item) return;
  const blocked = lane ?? newLane(item);
  blocked.head = item;
  for (const other of displace().toReversed()) blocked.waiting.unshift(other);
  part.lanes.set(item.lane, blocked);
}

/** The item is over: what may go on now, if it still finds its lane free. */
export function leaveLane(part: Part, item: Item, single: boolean): readonly Item[] {
  if (item.lane === undefined) {
    part.loose.delete(item);
    return none;
  }
  const lane = part.lanes.get(item.lane);
  if (lane === undefined || lane.head !== item) return none;
  const next = single ? lane.waiting.shift() : undefined;
  if (next !== undefined) {
    lane.head = next;
    return [next];
  }
  part.lanes.delete(item.lane);
  return lane.waiting.size === 0 ? none : [...lane.waiting];
}

/** What is held for a retry, or waits behind such a document, and the first of those that are held. */
export function behindFailing(part: Part): {
  readonly count: number;
  readonly first: Item | undefined;
} {
  let count = part.loose.size;
  let [first] = part.loose;
  for (const { head, waiting } of part.lanes.values()) {
    if (head.phase !== 'held') continue;
    count += 1 + waiting.size;
    first ??= head;
  }
  return { count, first };
}

/** For the state of a handle. */
export function stallOf(part: Part): { readonly state: 'stalled'; readonly detail: string } {
  const { count, first } = behindFailing(part);
  return {
    state: 'stalled',
    detail: `partition ${part.partition} of topic '${part.source.topic.name}' holds ${count} documents behind failing ones, the first is '${first?.attributes?.id}'`,
  };
}

/** Whether the partition has come to hold `most` documents behind failing ones, or no longer does. */
export function stallChanges(part: Part, most: number): boolean {
  const stalled =
    part.held > 0 && part.waiting - part.ready >= most && behindFailing(part).count >= most;
  if (stalled === part.stalled) return false;
  part.stalled = stalled;
  return true;
}

function newLane(head: Item): Lane {
  return { head, waiting: new Deque() };
}
