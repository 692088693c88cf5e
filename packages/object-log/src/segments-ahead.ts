import { abortable } from '@duobus/core/driver';
import type { StoredObject } from './object-store.ts';
import type { PartitionLog } from './partition-log.ts';

interface Planned {
  readonly first: number;
  readonly key: string;
  readonly size: number;
}

interface Coming {
  readonly size: number;
  readonly object: Promise<StoredObject | undefined>;
  /** Of whoever read when it was sent for: somebody else may take it. */
  readonly signal: AbortSignal;
}

const mostAtOnce = 6;
const mostBytes = 8_388_608;
const listed = 200;
/** What follows is listed only after so many were there in a row: a listing costs as much as a dozen of gets. */
const inARow = 4;
/** A listing that shows fewer was not worth it. */
const worthwhile = 8;

/** Fetches segments before they are asked for, for a reader that is far behind. */
export class SegmentsAhead {
  readonly #log: PartitionLog;
  #planned: Planned[] = [];
  readonly #coming = new Map<number, Coming>();
  #bytes = 0;
  #inARow = 0;
  #needed = inARow;
  /** How many records the segments have of late. */
  #records = 1;

  constructor(log: PartitionLog) {
    this.#log = log;
  }

  /** The next is on its way or has come. */
  has(first: number): boolean {
    return this.#coming.has(first);
  }

  /** The segment that begins there, if it was fetched ahead; `undefined`: it was not, was given up, or is somewhere else by
   *  now. */
  async take(first: number, signal: AbortSignal): Promise<StoredObject | undefined> {
    // compaction may have put several into one
    this.#planned = this.#planned.filter((next) => next.first >= first);
    for (const [offset, { size }] of this.#coming) if (offset < first) this.#drop(offset, size);
    const found = this.#coming.get(first);
    if (found === undefined) return undefined;
    this.#drop(first, found.size);
    this.#fill(signal);
    try {
      return await abortable(found.object, signal);
    } catch (error) {
      if (signal.aborted || !found.signal.aborted) throw error;
      return undefined; // who has sent for it has left meanwhile
    }
  }

  /** A segment of so many records was there: when that is so again and again, those that follow are fetched ahead. */
  async passed(records: number, next: number, signal: AbortSignal): Promise<void> {
    this.#records = Math.max(1, (this.#records * 3 + records) / 4);
    this.#inARow += 1;
    if (this.#coming.size === 0 && this.#planned.length === 0 && this.#inARow >= this.#needed)
      await this.#plan(next, signal);
    this.#fill(signal);
  }

  /** The end has been reached. */
  atEnd(): void {
    this.clear();
    this.#inARow = 0;
    this.#needed = inARow;
  }

  clear(): void {
    this.#planned = [];
    for (const [offset, { size }] of this.#coming) this.#drop(offset, size);
  }

  /** Listings begin with the newest: what follows an offset is found by listing from somewhere beyond it down. */
  async #plan(next: number, signal: AbortSignal): Promise<void> {
    const { paths, store } = this.#log;
    let ahead = Math.ceil((this.#records * listed) / 2);
    this.#inARow = 0;
    for (let tries = 0; tries < 3; tries += 1) {
      const after = paths.segment(next + ahead);
      const { objects } = await store.list(paths.log, { after, limit: listed }, signal);
      const found = objects
        .map(({ key, size }) => ({ key, size, first: paths.firstOf(key) }))
        .filter(({ first }) => first >= next)
        .toReversed();
      // where they are smaller than thought the listing does not come down to the next
      if (found.length < objects.length || found[0]?.first === next) {
        this.#planned = found;
        this.#needed = found.length < worthwhile ? this.#needed * 4 : inARow;
        return;
      }
      ahead = Math.ceil(ahead / 8);
    }
  }

  #fill(signal: AbortSignal): void {
    while (this.#coming.size < mostAtOnce) {
      const [next] = this.#planned;
      if (next === undefined || (this.#coming.size > 0 && this.#bytes + next.size > mostBytes))
        return;
      this.#planned.shift();
      const object = this.#log.store.get(next.key, signal);
      object.catch(() => undefined); // told to whoever takes it
      this.#coming.set(next.first, { size: next.size, object, signal });
      this.#bytes += next.size;
    }
  }

  #drop(first: number, size: number): void {
    this.#coming.delete(first);
    this.#bytes -= size;
  }
}
