import type { Clock } from './clock.ts';

interface Entry {
  readonly at: number;
  readonly fn: () => void;
  /** Called or cancelled. */
  over: boolean;
}

/** Many delays over one timer of the clock: a binary heap ordered by due time. */
export class Timers {
  readonly #clock: Clock;
  readonly #heap: Entry[] = [];
  #cancelTimer: (() => void) | undefined;
  #armedFor = Number.POSITIVE_INFINITY;
  /** Entries in the heap that are cancelled. */
  #cancelled = 0;
  #closed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Delays that have not ended, and some that are cancelled. */
  get pending(): number {
    return this.#heap.length;
  }

  now(): number {
    return this.#clock.now();
  }

  /** Calls `fn` once after `ms`, unless cancelled. */
  after(ms: number, fn: () => void): () => void {
    if (this.#closed) return () => undefined;
    const entry: Entry = { at: this.#clock.now() + Math.max(0, ms), fn, over: false };
    this.#up(this.#heap.push(entry) - 1, entry);
    this.#arm();
    return () => this.#cancel(entry);
  }

  /** Resolves after `ms`, or rejects with the signal's reason. Pending for ever once closed. */
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason as Error);
        return;
      }
      const stop = (): void => {
        cancel();
        reject(signal?.reason as Error);
      };
      const cancel = this.after(ms, () => {
        signal?.removeEventListener('abort', stop);
        resolve();
      });
      signal?.addEventListener('abort', stop, { once: true });
    });
  }

  /** Forgets everything; nothing is called any more. */
  close(): void {
    this.#closed = true;
    for (const entry of this.#heap) entry.over = true;
    this.#heap.length = 0;
    this.#arm();
  }

  #cancel(entry: Entry): void {
    if (entry.over) return;
    entry.over = true;
    this.#cancelled += 1;
    if (this.#cancelled > 1_000 && this.#cancelled * 2 > this.#heap.length) this.#compact();
    this.#arm();
  }

  /** What is cancelled would else stay until its time. */
  #compact(): void {
    const kept = this.#heap.filter(({ over }) => !over);
    this.#heap.length = 0;
    this.#cancelled = 0;
    for (const entry of kept) this.#up(this.#heap.push(entry) - 1, entry);
  }

  #arm(): void {
    while (this.#heap[0]?.over === true) {
      this.#pop();
      this.#cancelled -= 1;
    }
    const next = this.#heap[0]?.at ?? Number.POSITIVE_INFINITY;
    if (next === this.#armedFor) return;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#armedFor = next;
    if (next === Number.POSITIVE_INFINITY) return;
    this.#cancelTimer = this.#clock.after(next - this.#clock.now(), () => this.#fire());
  }

  #fire(): void {
    this.#armedFor = Number.POSITIVE_INFINITY;
    this.#cancelTimer = undefined;
    const now = this.#clock.now();
    try {
      for (
        let head = this.#heap[0];
        head !== undefined && (head.at <= now || head.over);
        head = this.#heap[0]
      ) {
        this.#pop();
        if (head.over) this.#cancelled -= 1;
        else {
          head.over = true;
          head.fn();
        }
      }
    } finally {
      this.#arm();
    }
  }

  #up(start: number, entry: Entry): void {
    let at = start;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = this.#heap[parent] as Entry;
      if (above.at <= entry.at) break;
      this.#heap[at] = above;
      at = parent;
    }
    this.#heap[at] = entry;
  }

  #pop(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    const size = this.#heap.length;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= size) break;
      if (child + 1 < size && (this.#heap[child + 1] as Entry).at < (this.#heap[child] as Entry).at)
        child += 1;
      const below = this.#heap[child] as Entry;
      if (below.at >= last.at) break;
      this.#heap[at] = below;
      at = child;
    }
    this.#heap[at] = last;
  }
}
