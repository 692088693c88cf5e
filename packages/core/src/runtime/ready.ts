import { Deque } from '../internal/deque.ts';
import type { Item, Part } from './item.ts';

/** What is free to run: in order of arrival, suspects apart. Keeps `part.ready` and the total. */
export class Ready {
  readonly #items = new Deque<Item>();
  readonly #suspects: Item[] = [];
  readonly #batches: boolean;
  #size = 0;

  constructor(batches: boolean) {
    this.#batches = batches;
  }

  get size(): number {
    return this.#size;
  }

  add(item: Item, first: boolean): void {
    item.phase = 'waiting';
    item.part.ready += 1;
    this.#size += 1;
    if (item.suspect) {
      this.#suspects.push(item);
      return;
    }
    const queue = this.#batches ? item.part.fifo : this.#items;
    if (first) queue.unshift(item);
    else queue.push(item);
  }

  /** The item has been taken out. */
  left(item: Item): void {
    item.part.ready -= 1;
    this.#size -= 1;
  }

  /** Removes and returns, in order, what of a lane waits in a batch handler's partition. */
  takeLane(part: Part, lane: string): Item[] {
    const here = (item: Item): boolean => item.part === part && item.lane === lane;
    const taken = [...takeFrom(this.#suspects, here), ...part.fifo.take(here)];
    for (const item of taken) this.left(item);
    return taken;
  }

  next(): Item | undefined {
    for (let item = this.#items.shift(); item !== undefined; item = this.#items.shift()) {
      if (!isStopped(item.part)) {
        this.left(item);
        return item;
      }
      item.part.stash.push(item);
    }
    return undefined;
  }

  get hasSuspect(): boolean {
    return this.#suspects.length > 0 && this.#suspects.some((item) => !isStopped(item.part));
  }

  /** The suspect with the fewest deaths: an innocent one is not at the front whenever its process dies. */
  nextSuspect(): Item | undefined {
    let best: Item | undefined;
    for (const item of this.#suspects) {
      if (!isStopped(item.part) && (best === undefined || item.crashes < best.crashes)) best = item;
    }
    if (best === undefined) return undefined;
    this.#suspects.splice(this.#suspects.indexOf(best), 1);
    this.left(best);
    return best;
  }

  /** All suspects that match, in order of arrival. */
  takeSuspects(matches: (item: Item) => boolean): Item[] {
    const taken = takeFrom(this.#suspects, (item) => !isStopped(item.part) && matches(item));
    for (const item of taken) this.left(item);
    return taken;
  }

  /** Removes and returns what matches. */
  take(part: Part, matches: (item: Item) => boolean): Item[] {
    const here = (item: Item): boolean => item.part === part && matches(item);
    const taken = [
      ...this.#items.take(here),
      ...part.fifo.take(here),
      ...takeFrom(part.stash, here),
      ...takeFrom(this.#suspects, here),
    ];
    for (const item of taken) this.left(item);
    return taken;
  }

  /** The partition hands out again. */
  unstash(part: Part): void {
    for (const item of part.stash.toReversed()) this.#items.unshift(item);
    part.stash.length = 0;
  }
}

export function isStopped(part: Part): boolean {
  return part.stopped || part.halted.size > 0;
}

function takeFrom(items: Item[], matches: (item: Item) => boolean): Item[] {
  const taken = items.filter(matches);
  if (taken.length === 0) return taken;
  const kept = items.filter((item) => !matches(item));
  items.splice(0, items.length, ...kept);
  return taken;
}
