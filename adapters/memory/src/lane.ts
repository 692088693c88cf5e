import type { Stored } from './stored.ts';

/** A document in one subscription. */
export interface Entry {
  readonly stored: Stored;
  readonly partition: number;
  /** Its place among the others: lower is handed out earlier. */
  seq: number;
  state: string | undefined;
  /** As it is stored now it has been handed to a consumer. */
  handed: boolean;
  dueAt: number;
}

/** Entries in the order of their `seq`, cheap at both ends. */
export class Lane {
  #entries: Entry[] = [];
  #head = 0;

  get length(): number {
    return this.#entries.length - this.#head;
  }

  first(): Entry | undefined {
    return this.#entries[this.#head];
  }

  push(entry: Entry): void {
    const last = this.#entries.at(-1);
    if (this.length === 0 || last === undefined || last.seq < entry.seq) this.#entries.push(entry);
    else this.#entries.splice(this.#find(entry.seq), 0, entry);
  }

  shift(): Entry | undefined {
    const entry = this.#entries[this.#head];
    if (entry === undefined) return undefined;
    this.#head += 1;
    if (this.#head > 1_024 && this.#head * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
    return entry;
  }

  *[Symbol.iterator](): Iterator<Entry> {
    for (let index = this.#head; index < this.#entries.length; index += 1)
      yield this.#entries[index] as Entry;
  }

  #find(seq: number): number {
    let low = this.#head;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle] as Entry).seq < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
