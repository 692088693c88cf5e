import type { Cause } from '../delivery.ts';
import type { LogRecord, Place } from '../driver.ts';
import { Deque } from '../internal/deque.ts';
import { blockedIn, type Item, type Lease, type Part } from './item.ts';
import { encodePointer, maxSpan, Tracker, type Pointer, type Tracked } from './pointer.ts';

/** For how many records after a crash a try is written before they are handed out, some at a time. */
const cautious = 10_000;
/** So many at most: what is written about them has to fit into a pointer. */
const widestWindow = 64;

/** One partition under one assignment. */
export class LogPartition {
  readonly partition: number;
  readonly token: number;
  readonly part: Part;
  readonly lease: Lease;
  readonly tracker: Tracker;
  readonly #resetBelow: number;
  readonly #returnedBelow: number;
  readonly #takeoverBelow: number;
  #suspectsLeft: number;
  readonly #suspects = new Set<Tracked>();
  #caution: number;
  readonly #window: number;
  /** Handed out under a try that is written for all of them. */
  readonly #tried = new Set<Tracked>();
  #settledAtWrite = 0;
  /** Counts what is to be written besides what is handled. */
  #notes = 0;
  #notesAtWrite = 0;
  /** Whether records are asked for. */
  open = true;
  /** Taken from the log and not to be handed out yet: too far beyond the pointer, whose size is limited, or their try
   *  is not written. */
  readonly backlog: Deque<LogRecord> = new Deque();
  /** It is being given up. */
  leaving = false;
  /** How often its process stood still while it was owned. */
  standstills = 0;
  /** A try is being written. */
  opening = false;
  /** Up to where it has been read. */
  readTo: number;
  /** Reading stands: why. */
  lost: string | undefined;

  constructor(options: {
    readonly partition: number;
    readonly token: number;
    readonly part: Part;
    readonly pointer: Pointer;
    /** Documents that run at a time at most. */
    readonly mostRunning: number;
  }) {
    const { pointer } = options;
    this.partition = options.partition;
    this.token = options.token;
    this.part = options.part;
    this.lease = { alive: true, epoch: pointer.epoch };
    this.tracker = new Tracker(pointer);
    this.readTo = pointer.next.offset;
    this.#resetBelow = pointer.resetBelow;
    this.#returnedBelow = pointer.returnedBelow;
    this.#takeoverBelow = pointer.takeoverBelow;
    this.#suspectsLeft = pointer.suspects;
    this.#caution = pointer.suspects > 0 ? cautious : 0;
    this.#window = Math.min(widestWindow, 2 * options.mostRunning);
  }

  /** Takes the next record. Undefined where the previous owner has handled it. */
  take(record: LogRecord):
    | {
        readonly tracked: Tracked;
        readonly suspect: boolean;
        readonly cause: Cause;
      }
    | undefined {
    const tracked = this.tracker.take(record);
    if (tracked.done) return undefined;
    const suspect = this.#suspectsLeft > 0 && record.offset < this.#takeoverBelow;
    if (suspect) {
      this.#suspectsLeft -= 1;
      this.#suspects.add(tracked);
    }
    return {
      tracked,
      suspect: suspect || tracked.crashes > 0,
      cause: this.#causeOf(record.offset, tracked.failed),
    };
  }

  /** Whether the next record may be taken, and handed out at once. */
  fits(record: LogRecord): boolean {
    return this.backlog.size === 0 && this.#caution === 0 && this.tracker.fits(record);
  }

  /** How many of the backlog may be taken now. */
  get room(): number {
    if (this.#caution === 0) return Number.POSITIVE_INFINITY;
    const room = this.#window - this.#tried.size;
    return this.opening || room * 2 < this.#window ? 0 : room;
  }

  /** Whether a try has to be written before these are handed out. */
  try(items: readonly Item[]): boolean {
    if (this.#caution === 0) return false;
    const together = items.filter((item) => !item.suspect);
    for (const { handle } of together) this.trying(handle as Tracked);
    for (const { handle } of together) this.#tried.add(handle as Tracked);
    return together.length > 0;
  }

  /** Decides whether more records are asked for. True where that has changed. */
  turns(prefetch: number, maxAhead: number): boolean {
    const blocked = blockedIn(this.part);
    const far = this.backlog.size > 0 || this.tracker.span >= maxSpan / 2;
    const full = this.part.ready >= prefetch || blocked >= maxAhead || far;
    const low = this.part.ready <= prefetch / 2 && blocked < maxAhead && !far;
    if (this.open ? !full : !low) return false;
    this.open = !this.open;
    return true;
  }

  complete(tracked: Tracked): void {
    this.#survived(tracked);
    this.tracker.complete(tracked);
    this.#suspects.delete(tracked);
    if (this.#caution > 0) this.#caution -= 1;
  }

  /** A failed run, to be written. */
  failed(tracked: Tracked, times: number): void {
    this.#survived(tracked);
    tracked.failed = times;
    this.#notes += 1;
  }

  /** A death that follows is to count for it, once that is written. */
  trying(tracked: Tracked): void {
    tracked.trying = true;
    this.#notes += 1;
  }

  #survived(tracked: Tracked): void {
    this.#tried.delete(tracked);
    tracked.trying = false;
  }

  /** Whether so much has been handled since the last write that it should not wait for the interval. */
  get overdue(): boolean {
    return this.tracker.settled - this.#settledAtWrite >= 5_000;
  }

  get dirty(): boolean {
    return this.tracker.settled !== this.#settledAtWrite || this.#notes !== this.#notesAtWrite;
  }

  /** What is to be written now, and what to call when it is. */
  snapshot(clean: boolean): {
    readonly pointer: { readonly place: Place; readonly text: string };
    /** Tells how many documents that settles. */
    readonly written: () => number;
  } {
    const { settled } = this.tracker;
    const notes = this.#notes;
    // An owner that has not come to them must not clear those before it.
    const suspects = this.#suspectsLeft + this.#suspects.size;
    const pointer = encodePointer({ ...this.tracker.pointer(clean), suspects });
    return {
      pointer,
      written: () => {
        const more = settled - this.#settledAtWrite;
        this.#settledAtWrite = settled;
        this.#notesAtWrite = notes;
        return more;
      },
    };
  }

  #causeOf(offset: number, failed: number): Cause {
    if (failed > 0) return 'retry';
    if (offset < this.#resetBelow) return 'reset';
    if (offset < this.#takeoverBelow) return 'takeover';
    return offset < this.#returnedBelow ? 'returned' : 'first';
  }
}

/** The assignment a document was taken under; none for a redriven dead letter. */
export function ownerOf(item: Item): LogPartition | undefined {
  return item.owner as LogPartition | undefined;
}
