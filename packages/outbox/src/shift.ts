import { performance } from 'node:perf_hooks';
import type { Bus } from '@duobus/core';
import { type Backoff, type Bell, delayOf, publishEnvelope } from '@duobus/core/envelopes';
import { type Entry, Held } from './held.ts';
import type { Lease } from './lease.ts';
import type { RelayEvent, Settings } from './relay-options.ts';
import { envelopeOf, RowTopics } from './rows.ts';
import type { StoreCalls } from './store-calls.ts';
import type { OutboxStore } from './store.ts';
import { reasonOf, verdictOf } from './verdict.ts';

export interface ShiftParts {
  readonly store: OutboxStore;
  readonly calls: StoreCalls;
  readonly bus: Pick<Bus, 'events' | 'data'>;
  readonly settings: Settings;
  readonly bell: Bell;
  readonly lease: Lease;
  readonly tell: (event: RelayEvent) => void;
}

const publishBackoff: Backoff = { firstMs: 100, factor: 3, maxMs: 30_000 };
/** Rows deleted in one statement. */
const deleteAtOnce = 500;

/** The work of a relay from one taking of the lease to its loss. Calls of the store never overlap: what is set aside is
 *  set aside before anything else is read. */
export class Shift {
  readonly #parts: ShiftParts;
  readonly #held: Held;
  readonly #topics: RowTopics;
  readonly #flights = new Set<Promise<void>>();
  readonly #pauses = new Map<Entry, NodeJS.Timeout>();
  readonly #giveUp = new AbortController();
  /** Refused in a row, without a success between. */
  #refusedInRow = 0;
  #publishError: unknown;
  #ended: unknown;
  #stopped = false;
  /** There may be rows that have not been read. */
  #more = true;
  #nextPoll = 0;

  constructor(parts: ShiftParts) {
    this.#parts = parts;
    const { maxDocuments, maxBytes, topics } = parts.settings;
    this.#held = new Held(maxDocuments, maxBytes);
    this.#topics = new RowTopics(topics);
  }

  get fence(): number {
    return this.#parts.lease.fence;
  }

  get problems(): readonly string[] {
    const problems: string[] = [];
    if (this.#publishError !== undefined)
      problems.push(`publishing fails: ${reasonOf(this.#publishError).message}`);
    if (this.#braked)
      problems.push(
        `${this.#refusedInRow} documents in a row were refused, so no more are set aside until one is published: see brakeAfter`,
      );
    return problems;
  }

  get #braked(): boolean {
    return this.#refusedInRow >= this.#parts.settings.brakeAfter;
  }

  /** Somebody says that there are new rows. */
  look(): void {
    this.#more = true;
    this.#parts.bell.ring();
  }

  /** Does what there is to do, or waits until there is something. False: the lease is another's.
   *  @throws what the store throws: then call it again; BusError DUOBUS_CLOSED once the bus is closed */
  async turn(): Promise<boolean> {
    const { lease, bell } = this.#parts;
    if (this.#ended !== undefined) throw this.#ended;
    if (lease.untilRenewal === 0 && !(await lease.renew())) return false;
    this.#dispatch();
    const settled = await this.#settle();
    if (settled === 'lost') return false;
    const read = await this.#read();
    if (settled === 'nothing' && !read) {
      // where there is no room, only what ends makes some
      const untilPoll = this.#hasRoom ? this.#nextPoll - performance.now() : Infinity;
      await bell.wait(Math.max(0, Math.min(untilPoll, lease.untilRenewal)));
    }
    return true;
  }

  /** No new publishes; waits for those on their way, and deletes what was published. */
  async finish(over: AbortSignal): Promise<void> {
    this.#stopped = true;
    await this.settled();
    while (!over.aborted && (await this.#settle()) === 'something');
  }

  /** Resolves when nothing is on its way any more: core gives every publish a time limit. */
  async settled(): Promise<void> {
    this.stop();
    await Promise.all(this.#flights);
  }

  /** Publishes on their way are waited for no longer. */
  giveUp(reason: unknown): void {
    this.#giveUp.abort(reason);
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#pauses.values()) clearTimeout(timer);
    this.#pauses.clear();
  }

  async #settle(): Promise<'lost' | 'something' | 'nothing'> {
    const { store, calls, tell } = this.#parts;
    let something = false;
    for (const entry of this.#held.toSetAside()) {
      const { row, id, topic } = entry.row;
      const { error } = entry;
      if (!(await calls.ask(() => store.setAside(this.fence, row, reasonOf(error))))) return 'lost';
      this.#held.asideIs(entry);
      tell({ type: 'set-aside', id, topic, error });
      something = true;
    }
    const published = this.#held.published(deleteAtOnce);
    if (published.length === 0) return something ? 'something' : 'nothing';
    const rows = published.map(({ row }) => row.row);
    if (!(await calls.ask(() => store.remove(this.fence, rows)))) return 'lost';
    this.#held.removed(published);
    tell({ type: 'published', count: published.length });
    return 'something';
  }

  /** A few rows at a time would cost as much as many. */
  get #hasRoom(): boolean {
    const { rows, bytes } = this.#held.room;
    return bytes > 0 && rows >= Math.ceil(this.#parts.settings.maxDocuments / 4);
  }

  /** True: there was something. */
  async #read(): Promise<boolean> {
    const { store, calls, settings } = this.#parts;
    const now = performance.now();
    if (now >= this.#nextPoll) this.#more = true;
    if (this.#held.takeReopened()) this.#more = true;
    if (!this.#more || !this.#hasRoom) return false;
    this.#more = false;
    this.#nextPoll = now + settings.pollMs;
    const heldRows = this.#held.rows;
    const heldLanes = this.#held.leaveOut();
    const request = { ...this.#held.room, heldRows, heldLanes };
    try {
      const batch = await calls.ask(() => store.read(this.fence, request));
      this.#held.add(batch.rows);
      if (batch.more && batch.rows.length > 0) this.#more = true;
      this.#dispatch();
      return batch.rows.length > 0;
    } catch (error) {
      this.#more = true;
      throw error;
    }
  }

  #dispatch(): void {
    for (const entry of this.#held.ready()) this.#publish(entry);
  }

  #publish(entry: Entry): void {
    if (this.#stopped || this.#ended !== undefined || !this.#parts.lease.isSure) return;
    this.#held.sent(entry);
    const flight = this.#send(entry).then(
      () => this.#published(entry),
      (error: unknown) => this.#failed(entry, error),
    );
    this.#flights.add(flight);
    void flight.finally(() => {
      this.#flights.delete(flight);
      this.#parts.bell.ring();
    });
  }

  async #send({ row }: Entry): Promise<void> {
    const { bus } = this.#parts;
    const half = row.bus === 'event' ? bus.events : bus.data;
    await publishEnvelope(half, this.#topics.of(row), envelopeOf(row), this.#giveUp.signal);
  }

  #published(entry: Entry): void {
    this.#refusedInRow = 0;
    this.#publishError = undefined;
    const next = this.#held.done(entry);
    if (next !== undefined) this.#publish(next);
  }

  #failed(entry: Entry, error: unknown): void {
    const { settings, tell } = this.#parts;
    const verdict = verdictOf(error);
    if (this.#giveUp.signal.aborted) return; // what has become of it is not known: the next relay repeats it
    if (verdict === 'closed') {
      this.#ended ??= error;
      return;
    }
    if (verdict === 'refused' && !this.#braked) {
      this.#refusedInRow += 1;
      this.#held.refused(entry, error);
      return;
    }
    if (verdict === 'refused') this.#refusedInRow += 1;
    else this.#publishError = error;
    this.#held.pause(entry);
    const delayMs =
      verdict === 'refused'
        ? settings.brakeMs
        : Math.max(20, delayOf(publishBackoff, entry.failed));
    tell({ type: 'retry', id: entry.row.id, topic: entry.row.topic, error });
    if (!this.#stopped)
      this.#pauses.set(
        entry,
        setTimeout(() => this.#resume(entry), delayMs),
      );
  }

  #resume(entry: Entry): void {
    this.#pauses.delete(entry);
    this.#held.resume(entry);
    this.#publish(entry);
  }
}
