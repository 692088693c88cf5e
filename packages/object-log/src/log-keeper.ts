import { randomBytes } from 'node:crypto';
import { BusError, type StoredTopic, systemClock } from '@duobus/core/driver';
import { compact } from './compaction.ts';
import { type ListedSegment, listSegments } from './listed-segments.ts';
import type { PartitionLog } from './partition-log.ts';
import { advanceStart, encodeState, parseState, unknownVersion } from './partition-start.ts';
import { deleteBelow, firstKept } from './retention.ts';

export interface KeeperOptions {
  /** The record of the topic as it is now. */
  readonly topic: (signal: AbortSignal) => Promise<StoredTopic>;
  /** How long a segment has had a successor before it is deleted, by the store's clock: see PartitionEnd. */
  readonly deleteAfterMs: number;
  /** Times of the store are exact to so many ms. */
  readonly granularityMs: number;
  /** Longest time between the first append that is not looked after and the next time it is. */
  readonly everyMs: number;
  /** Shortest time between two times. */
  readonly notMoreOftenThanMs: number;
  /** Tells readers that the log begins later. */
  readonly begins: () => void;
}

interface State {
  /** Up to where compaction has nothing left to do. */
  readonly compactedTo: number;
  readonly etag: string;
  /** By the store's clock. */
  readonly now: number;
}

const what = 'who has looked after a log';
/** How much of what is to be kept may be there in addition. */
const surplus = 8;

/**
 * Looks after one partition for the processes that append to it, in the background: retention, deletion, compaction. What
 * has been done last is an object: who writes it with a comparison is the one who does it this time, and learns the time of
 * the store's clock.
 */
export class LogKeeper {
  readonly #log: PartitionLog;
  readonly #options: KeeperOptions;
  readonly #closing = new AbortController();
  #topic: StoredTopic;
  #bytes = 0;
  #doneAt = Number.NEGATIVE_INFINITY;
  #dueAt = Number.POSITIVE_INFINITY;
  #cancel: (() => void) | undefined;
  #running: Promise<void> | undefined;

  constructor(log: PartitionLog, options: KeeperOptions) {
    this.#log = log;
    this.#options = options;
    this.#topic = log.topic;
  }

  /** So many bytes have been appended. `topic`: its record as the caller knows it. */
  appended(bytes: number, topic: StoredTopic): void {
    this.#bytes += bytes;
    this.#topic = topic;
    const { notMoreOftenThanMs } = this.#options;
    const soonMs = this.#isFull ? 0 : this.#everyMs;
    this.#schedule(Math.max(performance.now() + soonMs, this.#doneAt + notMoreOftenThanMs));
  }

  /** Looks after it now. */
  async run(): Promise<void> {
    await this.#start(true);
  }

  async close(): Promise<void> {
    this.#closing.abort(new BusError('DUOBUS_CLOSED', 'the connection has been closed'));
    this.#cancel?.();
    await this.#running?.catch(() => undefined); // told to whoever has called
  }

  get #isFull(): boolean {
    const { maxBytes } = this.#topic.retention;
    return maxBytes !== null && this.#bytes > maxBytes / surplus;
  }

  get #everyMs(): number {
    const { maxAgeMs } = this.#topic.retention;
    return Math.min(this.#options.everyMs, (maxAgeMs ?? Number.POSITIVE_INFINITY) / 4);
  }

  /** One after the other. */
  #start(mustRun: boolean): Promise<void> {
    const before = this.#running;
    this.#running = (async () => {
      await before?.catch(() => undefined); // told to whoever has called
      this.#cancel?.();
      this.#dueAt = Number.POSITIVE_INFINITY;
      await this.#run(mustRun);
    })();
    return this.#running;
  }

  #schedule(at: number): void {
    if (at >= this.#dueAt || this.#closing.signal.aborted) return;
    this.#cancel?.();
    this.#dueAt = at;
    this.#cancel = systemClock.after(Math.max(0, at - performance.now()), () => {
      // what has failed is done another time, by somebody
      this.#start(false).catch(() => this.#schedule(performance.now() + this.#options.everyMs));
    });
  }

  async #run(mustRun: boolean): Promise<void> {
    const { signal } = this.#closing;
    const state = await this.#begin(mustRun || this.#isFull, signal);
    this.#bytes = 0;
    this.#doneAt = performance.now();
    if (state === undefined) {
      this.#schedule(performance.now() + this.#options.everyMs);
      return;
    }
    const topic = await this.#options.topic(signal);
    this.#topic = topic;
    const { deleteAfterMs, granularityMs } = this.#options;
    const start = await this.#log.start(signal);
    const segments = await this.#segments(topic, start, state, signal);
    const kept = await firstKept(
      this.#log,
      topic.retention,
      segments,
      state.now,
      granularityMs,
      signal,
    );
    if (kept > start) {
      await advanceStart(this.#log, kept, signal);
      this.#options.begins();
    }
    const first = Math.max(start, kept);
    // times are rounded down: what seems as old may be younger by that
    const before = state.now - deleteAfterMs - granularityMs;
    const clean = await deleteBelow(this.#log, first, segments, before, signal);
    const from = Math.max(first, state.compactedTo);
    const since = segments.filter((segment) => segment.first >= from).toReversed();
    // up to the first that is too young: what is behind it are no neighbours of what is before
    const young = since.findIndex(({ supersededAt }) => supersededAt > before);
    const settled = young < 0 ? since : since.slice(0, young);
    const to = await compact(this.#log, settled, topic.compacted, signal);
    if (to !== undefined && to > state.compactedTo) await this.#write(to, state.etag, signal);
    this.#planNext(segments, first, clean, state.now);
  }

  /** Those that something may have to be done with: without retention those that were not compacted yet. */
  async #segments(
    { retention: { maxAgeMs, maxBytes } }: StoredTopic,
    start: number,
    { compactedTo }: State,
    signal: AbortSignal,
  ): Promise<readonly ListedSegment[]> {
    const all = maxAgeMs !== null || maxBytes !== null;
    const segments: ListedSegment[] = [];
    for await (const segment of listSegments(this.#log, signal)) {
      segments.push(segment);
      if (!all && segment.first <= Math.max(start, compactedTo)) break;
    }
    return segments;
  }

  /** `undefined`: somebody else does it, or has done it a little while ago. */
  async #begin(mustRun: boolean, signal: AbortSignal): Promise<State | undefined> {
    const { store, paths } = this.#log;
    const before = await store.get(paths.upkeep, signal);
    // clocks that differ only make it rarer or more frequent
    if (!mustRun && Date.now() - (before?.at ?? 0) < this.#everyMs / 2) return undefined;
    const compactedTo = before === undefined ? 0 : compactedToOf(before.body);
    const etag = await this.#write(compactedTo, before?.etag, signal);
    if (etag === undefined) return undefined;
    const written = await store.get(paths.upkeep, signal);
    return written?.etag === etag ? { compactedTo, etag, now: written.at } : undefined;
  }

  async #write(
    compactedTo: number,
    etag: string | undefined,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const { store, paths } = this.#log;
    const body = encodeState({ v: 1, n: randomBytes(9).toString('base64url'), compactedTo });
    const condition = etag === undefined ? ({ absent: true } as const) : { etag };
    const put = await store.put(paths.upkeep, body, condition, signal);
    return put === 'conflict' ? undefined : put.etag;
  }

  /** Also when nothing is appended any more something may become due: what will be too old, or can be deleted, or be
   *  compacted. */
  #planNext(segments: readonly ListedSegment[], first: number, clean: boolean, now: number): void {
    const { everyMs, deleteAfterMs } = this.#options;
    const { maxAgeMs } = this.#topic.retention;
    const waits: number[] = clean ? [] : [everyMs];
    const oldest = segments.findLast((segment) => (segment.until ?? segment.first + 1) > first);
    if (maxAgeMs !== null && oldest !== undefined)
      waits.push(Math.max(oldest.at + maxAgeMs - now, this.#everyMs));
    const isYoung = segments.some(
      ({ until, supersededAt }) => until !== undefined && supersededAt > now - deleteAfterMs,
    );
    if (isYoung) waits.push(Math.max(everyMs, deleteAfterMs));
    if (waits.length > 0) this.#schedule(performance.now() + Math.min(...waits));
  }
}

/** @throws BusError DUOBUS_DECODE for a version this code does not know. */
function compactedToOf(body: Uint8Array): number {
  const { v, compactedTo } = parseState(body, what) as {
    readonly v?: unknown;
    readonly compactedTo: number;
  };
  if (v === 1) return compactedTo;
  throw unknownVersion(what, v);
}
