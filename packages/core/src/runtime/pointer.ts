import type { Place, StoredPointer } from '../driver.ts';
import { BusError } from '../errors.ts';
import { Deque } from '../internal/deque.ts';

/** A group's pointer in one partition (design: D4). */
export interface Pointer {
  /** Grows with every reset. */
  readonly epoch: number;
  /** The first unhandled place. */
  readonly next: Place;
  /** Offsets beyond `next` that are handled. */
  readonly done: ReadonlySet<number>;
  /** Failed runs of unhandled offsets. */
  readonly failed: ReadonlyMap<number, number>;
  /** Deaths of the process while an offset was being tried, alone or with few others. */
  readonly crashes: ReadonlyMap<number, number>;
  /** The owner that wrote it has stopped. */
  readonly clean: boolean;
  /** Offsets below this are delivered again because of a reset. */
  readonly resetBelow: number;
  /** Offsets below this may have been handed out and given back unfinished. */
  readonly returnedBelow: number;
  /** Offsets below this may have been handled by an owner that died before it could write so. */
  readonly takeoverBelow: number;
  /** How many of them, from `next` on, may have killed it. */
  readonly suspects: number;
  /** Who wrote it: tells a process its own work when it has lost its connection. */
  readonly owner: string;
  /** Partitions the topic had when the group was made: those from this number on were added later. */
  readonly partitions: number;
}

/** Handled offsets may be this far beyond `next`: what fits into the 3 KiB of a stored pointer. */
export const maxSpan = 8_000;
const maxFailed = 1_000;

export function newPointer(next: Place, partitions: number): Pointer {
  return {
    epoch: 0,
    next,
    done: new Set(),
    failed: new Map(),
    crashes: new Map(),
    clean: true,
    resetBelow: 0,
    returnedBelow: 0,
    takeoverBelow: 0,
    suspects: 0,
    owner: '',
    partitions,
  };
}

export function encodePointer(pointer: Pointer): StoredPointer {
  const base = pointer.next.offset;
  const text = JSON.stringify({
    v: 1,
    e: pointer.epoch,
    n: pointer.partitions,
    ...(pointer.owner === '' ? {} : { w: pointer.owner }),
    ...(pointer.clean ? { c: 1 } : {}),
    ...(pointer.resetBelow > base ? { r: pointer.resetBelow } : {}),
    ...(pointer.returnedBelow > base ? { b: pointer.returnedBelow } : {}),
    ...(pointer.takeoverBelow > base ? { t: pointer.takeoverBelow, s: pointer.suspects } : {}),
    ...(pointer.done.size > 0 ? { d: bitmap(base, pointer.done) } : {}),
    ...(pointer.failed.size > 0 ? { f: counts(base, pointer) } : {}),
    ...(pointer.crashes.size > 0
      ? { x: [...pointer.crashes].map(([offset, n]) => [offset - base, n]) }
      : {}),
  });
  return { place: pointer.next, text };
}

/** @throws BusError DUOBUS_DECODE for a version this code does not know. */
export function decodePointer(stored: StoredPointer, partitions: number): Pointer {
  if (stored.text === '') return newPointer(stored.place, partitions);
  const base = stored.place.offset;
  let raw: {
    v?: unknown;
    e?: number;
    n?: number;
    w?: string;
    c?: number;
    r?: number;
    b?: number;
    t?: number;
    s?: number;
    d?: string;
    f?: string;
    x?: [number, number][];
  };
  try {
    raw = JSON.parse(stored.text) as typeof raw;
  } catch {
    // Kafka's own tools and other consumers write free text beside an offset: the offset is what counts then.
    return newPointer(stored.place, partitions);
  }
  if (raw?.v !== 1)
    throw new BusError(
      'DUOBUS_DECODE',
      `a stored pointer has version ${String(raw?.v)}, this version of duobus reads 1: upgrade this process`,
    );
  const done = offsetsOf(base, raw.d ?? '');
  return {
    epoch: raw.e ?? 0,
    next: stored.place,
    done,
    failed: failedOf(base, raw.f ?? '', done),
    crashes: new Map((raw.x ?? []).map(([delta, n]) => [base + delta, n])),
    clean: raw.c === 1,
    resetBelow: raw.r ?? 0,
    returnedBelow: raw.b ?? 0,
    takeoverBelow: raw.t ?? 0,
    suspects: raw.s ?? 0,
    owner: raw.w ?? '',
    partitions: raw.n ?? partitions,
  };
}

function bitmap(base: number, offsets: ReadonlySet<number>): string {
  let last = 0;
  for (const offset of offsets) last = Math.max(last, offset - base);
  const bytes = new Uint8Array((Math.min(last, maxSpan) >> 3) + 1);
  for (const offset of offsets) {
    const bit = offset - base;
    if (bit <= maxSpan) bytes[bit >> 3] = (bytes[bit >> 3] as number) | (1 << (bit & 7));
  }
  return Buffer.from(bytes).toString('base64');
}

function offsetsOf(base: number, text: string): Set<number> {
  const offsets = new Set<number>();
  Buffer.from(text, 'base64').forEach((byte, at) => {
    for (let bit = 0; bit < 8; bit += 1)
      if ((byte & (1 << bit)) !== 0) offsets.add(base + at * 8 + bit);
  });
  return offsets;
}

/** One base-36 digit for every offset from `base` on that is not done, up to the last that has failed. */
function counts(base: number, pointer: Pointer): string {
  let last = base;
  for (const offset of pointer.failed.keys()) last = Math.max(last, offset);
  let text = '';
  for (let offset = base; offset <= last && text.length < maxFailed; offset += 1) {
    if (!pointer.done.has(offset))
      text += Math.min(pointer.failed.get(offset) ?? 0, 35).toString(36);
  }
  return text;
}

function failedOf(base: number, text: string, done: ReadonlySet<number>): Map<number, number> {
  const failed = new Map<number, number>();
  let offset = base;
  for (const digit of text) {
    while (done.has(offset)) offset += 1;
    const n = Number.parseInt(digit, 36);
    if (n > 0) failed.set(offset, n);
    offset += 1;
  }
  return failed;
}

/** What has been taken of a partition under one assignment and how far it is. */
export interface Tracked {
  readonly offset: number;
  readonly time: number;
  done: boolean;
  failed: number;
  crashes: number;
  /** A death from now on counts for it, once that is written. */
  trying: boolean;
  /** A handler has seen it, though that counts as no attempt. */
  shown: boolean;
}

/** Follows the records of one partition: the low watermark is the pointer. */
export class Tracker {
  readonly #entries = new Deque<Tracked>();
  readonly #start: Pointer;
  #next: Place;
  #settled = 0;

  constructor(start: Pointer) {
    this.#start = start;
    this.#next = start.next;
  }

  get next(): Place {
    return this.#next;
  }

  /** Offsets between the pointer and the last record taken. */
  get span(): number {
    return this.#last === undefined ? 0 : this.#last - this.#next.offset + 1;
  }

  /** How many have been completed so far. */
  get settled(): number {
    return this.#settled;
  }

  #last: number | undefined;

  /** Whether the pointer can tell of it when it is done before what comes before it. */
  fits(record: Place): boolean {
    return this.#entries.size === 0 || record.offset - this.#next.offset <= maxSpan;
  }

  /** Takes the next record; it is `done` already if the previous owner had handled it. */
  take(record: Place): Tracked {
    const { done, failed, crashes } = this.#start;
    const entry: Tracked = {
      offset: record.offset,
      time: record.time,
      done: done.has(record.offset),
      failed: failed.get(record.offset) ?? 0,
      crashes: crashes.get(record.offset) ?? 0,
      trying: false,
      shown: false,
    };
    // With nothing open before it there is nothing between the pointer and this record.
    if (this.#entries.size === 0) this.#next = { offset: record.offset, time: record.time };
    this.#last = record.offset;
    this.#entries.push(entry);
    if (entry.done) this.#advance();
    return entry;
  }

  complete(entry: Tracked): void {
    entry.done = true;
    this.#settled += 1;
    this.#advance();
  }

  #advance(): void {
    for (let head = this.#entries.peek(); head?.done === true; head = this.#entries.peek()) {
      this.#next = { offset: head.offset + 1, time: head.time };
      this.#entries.shift();
    }
  }

  /** The pointer as it is to be written now. */
  pointer(clean: boolean): Pointer {
    const done = new Set<number>();
    const failed = new Map<number, number>();
    const crashes = new Map<number, number>();
    let { returnedBelow } = this.#start;
    for (const entry of this.#entries) {
      if (!entry.done && entry.shown) returnedBelow = Math.max(returnedBelow, entry.offset + 1);
      if (entry.done) done.add(entry.offset);
      else if (entry.failed > 0) failed.set(entry.offset, entry.failed);
      const deaths = entry.crashes + (entry.trying && !clean ? 1 : 0);
      if (!entry.done && deaths > 0) crashes.set(entry.offset, deaths);
    }
    const notYetTaken = (offset: number): boolean =>
      offset >= this.#next.offset && (this.#last === undefined || offset > this.#last);
    for (const offset of this.#start.done) if (notYetTaken(offset)) done.add(offset);
    for (const [offset, n] of this.#start.failed) if (notYetTaken(offset)) failed.set(offset, n);
    for (const [offset, n] of this.#start.crashes) if (notYetTaken(offset)) crashes.set(offset, n);
    return { ...this.#start, next: this.#next, done, failed, crashes, clean, returnedBelow };
  }
}
