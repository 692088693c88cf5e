import type { Clock } from '../internal/clock.ts';

/** A clock that stands still until it is told to go on. */
export interface ManualClock extends Clock {
  /** When the next callback is due, in ms since 1970; `undefined` if none waits. */
  readonly next: number | undefined;
  /** Goes on by `ms`: runs what is due in order, each at its time, and lets promises settle in between. */
  advance(ms: number): Promise<void>;
  /** Lets promises settle without going on. */
  settle(): Promise<void>;
}

interface Waiting {
  readonly due: number;
  readonly order: number;
  readonly fn: () => void;
}

/** Callbacks at one and the same time before `advance` takes them for a loop that never ends. */
const loopLimit = 100_000;

/** A clock for tests. It begins at `start`, by default 2026-01-01T00:00:00Z.
 *  @example const clock = manualClock(); await clock.advance(60_000) */
export function manualClock(start: number | Date = Date.UTC(2026, 0, 1)): ManualClock {
  const ms = Number(start);
  if (!Number.isFinite(ms))
    throw new TypeError(
      `manualClock: start must be a Date or a number of ms, got ${String(start)}`,
    );
  return new SteppedClock(ms);
}

class SteppedClock implements ManualClock {
  #now: number;
  #order = 0;
  readonly #waiting = new Set<Waiting>();

  constructor(start: number) {
    this.#now = start;
  }

  get next(): number | undefined {
    return this.#first()?.due;
  }

  now(): number {
    return this.#now;
  }

  after(ms: number, fn: () => void): () => void {
    this.#order += 1;
    const waiting = { due: this.#now + Math.max(0, ms), order: this.#order, fn };
    this.#waiting.add(waiting);
    return () => this.#waiting.delete(waiting);
  }

  async advance(ms: number): Promise<void> {
    if (!(ms >= 0)) throw new TypeError(`advance: ms must be 0 or more, got ${String(ms)}`);
    const end = this.#now + ms;
    await this.settle();
    let atThisTime = 0;
    for (
      let first = this.#first();
      first !== undefined && first.due <= end;
      first = this.#first()
    ) {
      atThisTime = first.due > this.#now ? 0 : atThisTime + 1;
      if (atThisTime > loopLimit)
        throw new Error(
          `advance: ${loopLimit} callbacks at one time: they start each other without delay`,
        );
      this.#waiting.delete(first);
      this.#now = Math.max(this.#now, first.due);
      first.fn();
      await this.settle();
    }
    this.#now = Math.max(this.#now, end);
  }

  /** A turn of the event loop runs every promise that can settle, a few let what they started do so too. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 3; turn += 1) {
      await new Promise<void>((resolve) => {
        setImmediate(resolve);
      });
    }
  }

  #first(): Waiting | undefined {
    let first: Waiting | undefined;
    for (const waiting of this.#waiting) {
      if (
        first === undefined ||
        waiting.due < first.due ||
        (waiting.due === first.due && waiting.order < first.order)
      )
        first = waiting;
    }
    return first;
  }
}
