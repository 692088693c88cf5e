import { BusError } from '@duobus/core/driver';
import { decodeRuns, encodeRuns, type Run } from './runs.ts';

/** The text of a pointer of a queue, as JSON. */
interface Text {
  readonly v: 1;
  /** What has been handed out ends so far beyond the pointer. */
  readonly h: number;
  /** What is not settled before that. */
  readonly r?: string;
  /** States, each with the offsets that have it. */
  readonly s?: readonly (readonly [state: string, offsets: string])[];
  /** The owner holds at most so many that it says nothing about here. Missing: it holds none. */
  readonly c?: number;
}

/**
 * Which records of a partition a subscription has not settled. Everything below `next` is settled, everything from
 * `high` on has never been handed out, and in between stand the runs that are not settled. So it is as long as there
 * are gaps, however far the gaps are apart.
 */
export class Ledger {
  #runs: Run[] = [];
  #high: number;
  readonly #states = new Map<number, string>();
  /** How many records its last owner may have held when it was last written, 0 after a clean end. */
  readonly heldBefore: number;

  /** @throws BusError DUOBUS_DECODE for a text of another version */
  constructor(offset: number, text: string) {
    const { h, r, s, c } = text === '' ? fresh : parse(text);
    this.#high = offset + h;
    this.heldBefore = c ?? 0;
    this.#runs = r === undefined ? [] : decodeRuns(r, offset);
    for (const [state, offsets] of s ?? []) {
      for (const { from, to } of decodeRuns(offsets, offset))
        for (let at = from; at < to; at += 1) this.#states.set(at, state);
    }
  }

  /** The pointer proper: everything before it is settled. */
  get next(): number {
    return this.#runs[0]?.from ?? this.#high;
  }

  /** Nothing from here on has ever been handed out. */
  get high(): number {
    return this.#high;
  }

  /** Not settled, of the part that has been handed out. */
  get open(): number {
    return this.openTo(this.#high);
  }

  /** As `open`, below an offset. */
  openTo(offset: number): number {
    return this.#runs.reduce(
      (sum, { from, to }) => sum + Math.max(0, Math.min(to, offset) - from),
      0,
    );
  }

  /** Gaps between what is settled: what makes its text long. */
  get gaps(): number {
    return this.#runs.length;
  }

  holds(offset: number): boolean {
    return offset >= this.#high || this.#runs[this.#find(offset)] !== undefined;
  }

  handedOut(offset: number): void {
    if (offset < this.#high) return;
    const last = this.#runs.at(-1);
    if (last?.to === offset) last.to = offset + 1;
    else this.#runs.push({ from: offset, to: offset + 1 });
    this.#high = offset + 1;
  }

  /** Everything before this offset has been handed out, or may be at any time. */
  reached(offset: number): void {
    if (offset <= this.#high) return;
    const last = this.#runs.at(-1);
    if (last?.to === this.#high) last.to = offset;
    else this.#runs.push({ from: this.#high, to: offset });
    this.#high = offset;
  }

  settled(offset: number): void {
    this.#states.delete(offset);
    const index = this.#find(offset);
    const run = this.#runs[index];
    if (run === undefined) return;
    const { from, to } = run;
    if (from === offset) run.from += 1;
    else if (to === offset + 1) run.to -= 1;
    else this.#runs.splice(index, 1, { from, to: offset }, { from: offset + 1, to });
    if (run.from === run.to) this.#runs.splice(index, 1);
  }

  /** What the log does not have any more is settled. */
  startsAt(offset: number): void {
    this.#high = Math.max(this.#high, offset);
    for (const at of this.#states.keys()) if (at < offset) this.#states.delete(at);
    this.#runs = this.#runs.filter((run) => run.to > offset);
    const [first] = this.#runs;
    if (first !== undefined) first.from = Math.max(first.from, offset);
  }

  /** Records of the log between these offsets do not exist (any more), or are not for readers. */
  missing(from: number, to: number): void {
    for (let at = from; at < Math.min(to, this.#high); at += 1) this.settled(at);
  }

  state(offset: number): string | undefined {
    return this.#states.get(offset);
  }

  note(offset: number, state: string): void {
    this.handedOut(offset);
    if (this.holds(offset)) this.#states.set(offset, state);
  }

  /** @param held how many it may hold that it says nothing about: 0 makes it a clean end */
  text(held: number, withStates = true): string {
    const { next } = this;
    const text: Text = {
      v: 1,
      h: this.#high - next,
      ...(this.#runs.length === 0 ? {} : { r: encodeRuns(this.#runs, next) }),
      ...(this.#states.size === 0 || !withStates ? {} : { s: this.#statesAsText(next) }),
      ...(held === 0 ? {} : { c: held }),
    };
    return JSON.stringify(text);
  }

  #statesAsText(base: number): (readonly [string, string])[] {
    const offsets = new Map<string, number[]>();
    for (const [offset, state] of this.#states) {
      const known = offsets.get(state);
      if (known === undefined) offsets.set(state, [offset]);
      else known.push(offset);
    }
    return [...offsets].map(([state, places]) => [
      state,
      encodeRuns(
        places.toSorted((a, b) => a - b).map((from) => ({ from, to: from + 1 })),
        base,
      ),
    ]);
  }

  /** The run that holds an offset, -1 if none does. */
  #find(offset: number): number {
    let low = 0;
    let high = this.#runs.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const run = this.#runs[middle] as Run;
      if (offset < run.from) high = middle - 1;
      else if (offset >= run.to) low = middle + 1;
      else return middle;
    }
    return -1;
  }
}

const fresh: Text = { v: 1, h: 0 };

function parse(text: string): Text {
  let raw: Partial<Text>;
  try {
    raw = JSON.parse(text) as Partial<Text>;
  } catch (cause) {
    throw unreadable('is not JSON', cause);
  }
  if (raw?.v !== 1) throw unreadable(`is of version ${String(raw?.v)}, 1 is known`, undefined);
  return { ...raw, v: 1, h: raw.h ?? 0 };
}

function unreadable(why: string, cause: unknown): BusError {
  return new BusError(
    'DUOBUS_DECODE',
    `the offset of a subscription's group carries a text that ${why}: was it committed by something else, or by a newer duobus?`,
    { cause },
  );
}
