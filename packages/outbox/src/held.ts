import type { OutboxRow } from './store.ts';

/** What becomes of a row in memory: it waits for its turn, is being published, waits to be tried again, is published and
 *  has to be deleted, or was refused and has to be set aside. */
type Phase = 'waiting' | 'sent' | 'pausing' | 'done' | 'refused';

export interface Entry {
  readonly row: OutboxRow;
  phase: Phase;
  /** Publishes that failed. */
  failed: number;
  /** Why it was refused. */
  error: unknown;
}

/** A lane holds no more than that share of the room, so that a key with many rows leaves some to others. */
const laneShare = 10;

/** The rows that a relay has in memory: bounded, and of every lane one in flight at a time. */
export class Held {
  readonly #maxRows: number;
  readonly #maxBytes: number;
  readonly #perLane: number;
  readonly #entries = new Map<string, Entry>();
  /** Rows of each lane that are not published yet, in order; only the first can be on its way. */
  readonly #lanes = new Map<string, Entry[]>();
  /** Rows without a lane that wait for their turn. */
  readonly #loose = new Set<Entry>();
  #bytes = 0;
  /** Lanes of which the database may hold rows that a read has left out, or that were dropped here. */
  readonly #leftOut = new Set<string>();
  #reopened = false;

  constructor(maxRows: number, maxBytes: number) {
    this.#maxRows = maxRows;
    this.#maxBytes = maxBytes;
    this.#perLane = Math.max(1, Math.ceil(maxRows / laneShare));
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Room for more rows, and for how many bytes. */
  get room(): { readonly rows: number; readonly bytes: number } {
    return { rows: this.#maxRows - this.#entries.size, bytes: this.#maxBytes - this.#bytes };
  }

  get rows(): readonly string[] {
    return [...this.#entries.keys()];
  }

  /** Lanes of which there is enough: to be left out of the next read. */
  leaveOut(): readonly string[] {
    const full: string[] = [];
    for (const [lane, entries] of this.#lanes) {
      if (entries[0]?.phase !== 'pausing' && entries.length < this.#perLane) continue;
      full.push(lane);
      this.#leftOut.add(lane);
    }
    return full;
  }

  /** True once after a lane that was left out has become free: it is worth to read again. */
  takeReopened(): boolean {
    const reopened = this.#reopened;
    this.#reopened = false;
    return reopened;
  }

  add(rows: readonly OutboxRow[]): void {
    for (const row of rows) {
      const entry: Entry = { row, phase: 'waiting', failed: 0, error: undefined };
      if (row.lane === undefined) this.#loose.add(entry);
      else {
        const lane = this.#lanes.get(row.lane);
        if (lane === undefined) this.#lanes.set(row.lane, [entry]);
        else if (lane.length < this.#perLane) lane.push(entry);
        else {
          this.#leftOut.add(row.lane);
          continue;
        }
      }
      this.#entries.set(row.row, entry);
      this.#bytes += row.bytes;
    }
  }

  /** What may be published now; whoever takes it has to make it `sent`. */
  ready(): readonly Entry[] {
    const ready = [...this.#loose];
    for (const [first] of this.#lanes.values()) if (first?.phase === 'waiting') ready.push(first);
    return ready;
  }

  sent(entry: Entry): void {
    entry.phase = 'sent';
    this.#loose.delete(entry);
  }

  /** Published. Returns what may be published after it. */
  done(entry: Entry): Entry | undefined {
    entry.phase = 'done';
    const { lane } = entry.row;
    if (lane === undefined) return undefined;
    const waiting = this.#lanes.get(lane) as Entry[];
    waiting.shift();
    if (waiting.length > 0) return waiting[0];
    this.#lanes.delete(lane);
    if (this.#leftOut.delete(lane)) this.#reopened = true;
    return undefined;
  }

  /** To be tried again, later. What is behind it is read again then: it must not take the room of others. */
  pause(entry: Entry): void {
    entry.phase = 'pausing';
    entry.failed += 1;
    const { lane } = entry.row;
    if (lane === undefined) return;
    this.#leftOut.add(lane);
    for (const behind of (this.#lanes.get(lane) as Entry[]).splice(1)) this.#forget(behind);
  }

  /** The pause is over. */
  resume(entry: Entry): void {
    if (entry.phase !== 'pausing') return;
    entry.phase = 'waiting';
    if (entry.row.lane === undefined) this.#loose.add(entry);
  }

  refused(entry: Entry, error: unknown): void {
    entry.phase = 'refused';
    entry.error = error;
  }

  /** Rows to be deleted, oldest first. */
  published(limit: number): readonly Entry[] {
    return this.#of('done', limit);
  }

  toSetAside(): readonly Entry[] {
    return this.#of('refused', Number.POSITIVE_INFINITY);
  }

  /** Their rows are deleted. */
  removed(entries: readonly Entry[]): void {
    for (const entry of entries) this.#forget(entry);
  }

  /** Its row is set aside: what is behind it in its lane waits in the database. */
  asideIs(entry: Entry): void {
    this.#forget(entry);
    const { lane } = entry.row;
    if (lane === undefined) return;
    for (const behind of this.#lanes.get(lane) ?? []) this.#forget(behind);
    this.#lanes.delete(lane);
    this.#leftOut.delete(lane);
  }

  #of(phase: Phase, limit: number): readonly Entry[] {
    const found: Entry[] = [];
    for (const entry of this.#entries.values()) {
      if (entry.phase !== phase) continue;
      found.push(entry);
      if (found.length >= limit) break;
    }
    return found;
  }

  #forget(entry: Entry): void {
    if (!this.#entries.delete(entry.row.row)) return;
    this.#bytes -= entry.row.bytes;
  }
}
