import {
  Deque,
  type InboundRecord,
  type Leased,
  type LogRecord,
  type PointerWrite,
} from '@duobus/core/driver';
import { decodeCopy } from './copy-codec.ts';
import { DueList } from './due-list.ts';
import type { Ledger } from './ledger.ts';
import { mostText } from './pointer-store.ts';

/** A record that a member holds: what its tokens are. */
export interface Entry {
  readonly part: QueuePart;
  readonly offset: number;
  /** Of retries that wait: `undefined` where there was no room, until it is due. */
  record: InboundRecord | undefined;
  /** Not to be handed out before. */
  readonly due: number;
  /** What came with it. */
  readonly state: string | undefined;
  /** It has left the inbox: from here on a consumer can have seen it. */
  seen: boolean;
  /** Settled, given back, or its partition has gone. */
  over: boolean;
}

/** The most records of a partition that are handed out and not settled: more would not fit into its pointer's text. */
export const mostHeld = 1_000;
/** Above this much text nothing more is handed out: what is may still need its share of what Kafka keeps. */
const roomyText = 2_600;
/** How many more records than its pointer tells of a member hands out: that follows what was handed out lately. */
const ahead = { least: 8, most: 256 } as const;
/** Retries that are known to wait: of what does not fit into memory only when they are due. */
const mostRetries = 100_000;
const mostWaitingBytes = 4 * 1024 * 1024;

/** A partition of a subscription while a member owns it. */
export class QueuePart {
  readonly partition: number;
  /** Of the group's member. */
  readonly token: number;
  readonly ledger: Ledger;
  /** Fetched and not handed out. */
  readonly waiting: Deque<Entry> = new Deque<Entry>();
  /** Of retries: fetched, and not yet due. */
  readonly due: DueList = new DueList();
  readonly leased: Map<number, Entry> = new Map();
  /** Its pointer says that there is an owner: before that nothing may be handed out. */
  opened = false;
  /** To be given up: nothing more is handed out. */
  revoking = false;
  alive = true;
  /** The fetcher has been told to stop. */
  closed = false;
  /** Of the last write. */
  textLength = 0;
  readonly #credit: number;
  readonly #isRetries: boolean;
  readonly #suspects = new Set<number>();
  /** How many more may have been held by an owner before, in the order of the log. */
  #suspectsLeft: number;
  #countedTo = 0;
  #mayHaveBeen = { end: 0, due: 0 };
  /** How many records may be handed out before the pointer is written again. */
  #left = 0;
  #granting = 0;
  #sinceWrite = 0;
  #expected: number;
  #bytes = 0;

  constructor(
    partition: number,
    token: number,
    ledger: Ledger,
    options: { readonly credit: number; readonly isRetries: boolean },
  ) {
    this.partition = partition;
    this.token = token;
    this.ledger = ledger;
    this.#credit = Math.min(options.credit, mostHeld);
    this.#isRetries = options.isRetries;
    this.#suspectsLeft = options.isRetries ? 0 : ledger.heldBefore;
    this.#expected = ledger.next;
  }

  /** Under what number the runtime knows it. */
  get shown(): number {
    return this.#isRetries ? 0 : this.partition;
  }

  get isRetries(): boolean {
    return this.#isRetries;
  }

  get full(): boolean {
    const { size } = this.leased;
    return size >= this.#credit || (size > 0 && this.textLength > roomyText);
  }

  /** Its pointer has to be written before more is handed out: it says how many records an owner may hold. */
  get needsWrite(): boolean {
    return !this.#isRetries && this.#left <= 0;
  }

  get overfetched(): boolean {
    return this.#isRetries
      ? this.due.size > mostRetries
      : this.#bytes > mostWaitingBytes || this.waiting.size > 4 * mostHeld;
  }

  /** Takes what has been fetched. Records that come again, or are settled, are passed over. */
  take(records: readonly LogRecord[]): void {
    const taken: Entry[] = [];
    for (const record of records) {
      const { offset } = record;
      if (offset < this.#expected) continue;
      this.ledger.missing(this.#expected, offset);
      this.#expected = offset + 1;
      if (!this.ledger.holds(offset)) continue;
      if (!this.#isRetries) this.#suspectInOrder(offset);
      if (this.leased.has(offset)) continue;
      taken.push(this.#entry(record));
    }
    if (this.#isRetries) this.due.add(taken);
    else for (const entry of taken) this.waiting.push(entry);
  }

  /** Nothing that was stored at `end` or later was handed out by an owner before, nor retries that are due after `due`. */
  suspect(end: number, due: number): void {
    this.#mayHaveBeen = { end, due };
    const { high } = this.ledger;
    const there = this.ledger.openTo(end) + Math.max(0, end - high);
    this.#suspectsLeft = Math.min(this.#suspectsLeft, there);
  }

  /** Fetching begins anew at what is not settled. */
  restart(): number {
    this.closed = false;
    this.waiting.clear();
    this.due.clear();
    this.#bytes = 0;
    this.#expected = this.ledger.next;
    return this.#expected;
  }

  /** What was read once more of a retry that there was no room for. False where it is not there any more. */
  found(entry: Entry, records: readonly LogRecord[]): boolean {
    const again = records.find(({ offset }) => offset === entry.offset);
    if (again === undefined) return false;
    entry.record = decodeCopy(again).record;
    this.#bytes += sizeOf(entry.record);
    return true;
  }

  handOut(entry: Entry, record: InboundRecord): Leased {
    const { offset } = entry;
    this.ledger.handedOut(offset);
    this.#left -= 1;
    this.#sinceWrite += 1;
    this.leased.set(offset, entry);
    this.#bytes -= sizeOf(record);
    return {
      ...record,
      token: entry,
      redelivered: this.#suspects.has(offset),
      state: this.ledger.state(offset) ?? entry.state,
    };
  }

  settled({ offset }: Entry): void {
    this.ledger.settled(offset);
    this.#suspects.delete(offset);
  }

  /** It comes again, with a state that says why. */
  returned({ offset }: Entry, state: string): void {
    this.ledger.note(offset, state);
  }

  /** Its pointer as it is to be written now. */
  write(ending: boolean): PointerWrite {
    const { next, open } = this.ledger;
    const lately = Math.min(ahead.most, Math.max(ahead.least, 2 * this.#sinceWrite));
    let held = 0;
    for (const { over } of this.leased.values()) if (!over) held += 1;
    this.#granting = Math.max(0, Math.min(lately, this.#credit - held));
    this.#sinceWrite = 0;
    this.#left = Math.min(this.#left, this.#granting);
    const mayHold = ending ? this.#heldAtEnd() : open + this.#granting;
    const holds = Math.max(mayHold, this.#heldBefore);
    let text = this.ledger.text(holds);
    // attempts begin anew rather than that the subscription stands still
    if (text.length > mostText) text = this.ledger.text(holds, false);
    this.textLength = text.length;
    return {
      partition: this.partition,
      token: this.token,
      pointer: { place: { offset: next, time: 0 }, text },
    };
  }

  /** Of what an owner before may have held, what is not settled: the next owner is to be told of that too. */
  get #heldBefore(): number {
    const unseen = this.#isRetries
      ? Number(this.#expected < this.#mayHaveBeen.end)
      : this.#suspectsLeft;
    return this.#suspects.size + unseen;
  }

  /** What `write` gave is durable. */
  written(): void {
    this.opened = true;
    this.#left = this.#granting - this.#sinceWrite;
  }

  /** How many records, in the order of the log, somebody else has to take for handed out. */
  #heldAtEnd(): number {
    let last = -1;
    for (const [offset, { seen, over }] of this.leased)
      if (seen && !over) last = Math.max(last, offset);
    return last < 0 ? 0 : this.ledger.openTo(last + 1);
  }

  #suspectInOrder(offset: number): void {
    if (this.#suspectsLeft === 0 || offset < this.#countedTo) return;
    if (offset >= this.#mayHaveBeen.end) return;
    this.#countedTo = offset + 1;
    this.#suspectsLeft -= 1;
    this.#suspects.add(offset);
  }

  #entry(from: LogRecord): Entry {
    const { offset } = from;
    const one = { part: this, offset, seen: false, over: false };
    if (!this.#isRetries) {
      this.#bytes += sizeOf(from);
      return { ...one, record: from, due: 0, state: undefined };
    }
    this.ledger.reached(offset + 1); // they are not handed out in the order of the log
    const { record, marks } = decodeCopy(from);
    const { end, due } = this.#mayHaveBeen;
    if (offset < end && marks.due <= due) this.#suspects.add(offset);
    const fits = this.#bytes < mostWaitingBytes;
    if (fits) this.#bytes += sizeOf(record);
    return { ...one, record: fits ? record : undefined, ...marks };
  }
}

const sizeOf = ({ body }: InboundRecord): number => body?.byteLength ?? 0;
