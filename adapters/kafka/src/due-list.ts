import type { Entry } from './queue-part.ts';

/** Entries by the time when they are due. */
export class DueList {
  #entries: Entry[] = [];

  get size(): number {
    return this.#entries.length;
  }

  get firstDue(): number | undefined {
    return this.#entries[0]?.due;
  }

  add(entries: readonly Entry[]): void {
    if (entries.length === 0) return;
    // mostly sorted already, which makes this cheap
    this.#entries = [...this.#entries, ...entries].toSorted((a, b) => a.due - b.due);
  }

  /** One more, or one again. */
  insert(entry: Entry): void {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#entries[middle] as Entry).due <= entry.due) low = middle + 1;
      else high = middle;
    }
    this.#entries.splice(low, 0, entry);
  }

  /** What is due, the earliest first. */
  takeDue(now: number): Entry | undefined {
    return (this.firstDue ?? Number.POSITIVE_INFINITY) <= now ? this.#entries.shift() : undefined;
  }

  /** Takes the lowest offsets. */
  takeOldest(count: number): Entry[] {
    const oldest = new Set(this.#entries.toSorted((a, b) => a.offset - b.offset).slice(0, count));
    this.#entries = this.#entries.filter((entry) => !oldest.has(entry));
    return [...oldest];
  }

  clear(): void {
    this.#entries = [];
  }
}
