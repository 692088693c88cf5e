import { randomBytes } from 'node:crypto';
import { type BusError, type Outcome, type OutboundRecord, systemClock } from '@duobus/core/driver';
import {
  abandoned,
  asBusError,
  behind,
  type Call,
  closed,
  failedOutcomes,
  isCertain,
  storedOutcomes,
  unresolvable,
} from './append-call.ts';
import { isInHole } from './hole-check.ts';
import { type Moment, moment, msSince } from './moment.ts';
import { OpenTries, type Try } from './open-tries.ts';
import type { SeenSegment } from './partition-end.ts';
import type { PartitionLog } from './partition-log.ts';
import { encodeRecords, encodeSegment } from './segment-codec.ts';

export interface WriterOptions {
  /** What was known of the end so long ago says nothing any more about what is there now: see PartitionEnd. */
  readonly validMs: number;
  /** How long to wait at most before others are raced again. */
  readonly rivalWaitMs: number;
  /** Tells readers where the partition ends now. */
  readonly appended: (end: number, bytes: number) => void;
}

const mostRecords = 1_000;
const mostBytes = 4_194_304;
const firstWaitMs = 25;
/** Who has met nobody for so long is alone again. */
const aloneAfterMs = 2_000;

/**
 * Appends to one partition for one process. One segment is on its way at a time; what comes meanwhile makes the next one.
 *
 * All tries whose outcome is not known were made at one and the same offset, where the partition was thought to end, so at
 * most one of them is or ever will be stored: the first that reaches the store takes the key. Whatever is found at that key
 * decides about all of them: the try with its nonce is stored, the others are not, and never will be as long as the key is
 * taken (PartitionEnd says how long that is). Only then the writer goes on to another offset. So a call may be part of
 * several tries, is stored by one at most, and a write that the network has held back finds its key taken.
 *
 * Order: what comes after a call whose outcome is not known is not sent, and told so. When one of those that were told
 * 'unknown' is given again, those before it go with it, also if they are given again only a little later.
 */
export class PartitionWriter {
  readonly #log: PartitionLog;
  readonly #options: WriterOptions;
  readonly #calls = new WeakMap<readonly OutboundRecord[], Call>();
  /** In the order of their first append. */
  readonly #waiting: Call[] = [];
  readonly #tries = new OpenTries();
  /** Whose outcome was told to be unknown: they will be given again, unless they are given up. */
  readonly #expected = new Set<Call>();
  #order = 0;
  #running = false;
  #loop: Promise<void> = Promise.resolve();
  /** The end has to be looked for before the next try. */
  #unsure = false;
  #rivals = 0;
  #metAt: Moment = moment();
  readonly #closing = new AbortController();

  constructor(log: PartitionLog, options: WriterOptions) {
    this.#log = log;
    this.#options = options;
  }

  append(records: readonly OutboundRecord[], signal: AbortSignal): Promise<readonly Outcome[]> {
    if (records.length === 0) return Promise.resolve([]);
    const call = this.#callOf(records);
    if (call.first !== undefined) return Promise.resolve(this.#stored(call));
    if (call.lost)
      return Promise.resolve(failedOutcomes(call, 'unknown', unresolvable(this.#topic)));
    if (this.#closing.signal.aborted)
      return Promise.resolve(failedOutcomes(call, this.#statusOf(call), closed(this.#topic)));
    this.#listen(call, signal);
    this.#enqueue(call);
    return new Promise((resolve) => {
      call.settle = resolve;
      if (signal.aborted) this.#giveUp(call);
      else if (!this.#running) this.#loop = this.#run();
    });
  }

  async close(): Promise<void> {
    const reason = closed(this.#topic);
    this.#closing.abort(reason);
    for (const { abort } of this.#tries.all) abort.abort(reason);
    await this.#loop;
  }

  #callOf(records: readonly OutboundRecord[]): Call {
    let call = this.#calls.get(records);
    if (call !== undefined) return call;
    this.#order += 1;
    call = {
      order: this.#order,
      count: records.length,
      encoded: encodeRecords(records),
      first: undefined,
      waiting: false,
      givenUp: false,
      lost: false,
      settle: undefined,
      unlisten: undefined,
    };
    this.#calls.set(records, call);
    return call;
  }

  #listen(call: Call, signal: AbortSignal): void {
    call.unlisten?.();
    call.givenUp = false;
    const giveUp = (): void => this.#giveUp(call);
    call.unlisten = () => signal.removeEventListener('abort', giveUp);
    signal.addEventListener('abort', giveUp, { once: true });
  }

  /** With those before it that will be given again: they may be given a little later, and must not be passed. */
  #enqueue(call: Call): void {
    const before = [...this.#expected].filter(({ order }) => order < call.order);
    for (const one of [...before, call]) {
      if (one.waiting) continue;
      one.waiting = true;
      const place = this.#waiting.findLastIndex(({ order }) => order < one.order);
      this.#waiting.splice(place + 1, 0, one);
    }
  }

  /** Tells what has become of a call, if anybody waits for that. */
  #settle(call: Call, outcomes: readonly Outcome[]): void {
    const { settle } = call;
    call.settle = undefined;
    const isOver = call.first !== undefined || call.givenUp || call.lost;
    if (isOver) this.#expected.delete(call);
    else if (outcomes[0]?.status === 'unknown') this.#expected.add(call);
    if (!this.#expected.has(call)) call.unlisten?.();
    settle?.(outcomes);
  }

  #giveUp(call: Call): void {
    call.givenUp = true;
    this.#settle(call, failedOutcomes(call, this.#statusOf(call), abandoned(this.#topic)));
    const flying = this.#tries.of(call);
    if (flying.length === 0) this.#forget(call);
    for (const { calls, abort } of flying) if (calls.every((one) => one.givenUp)) abort.abort();
  }

  #forget(call: Call): void {
    call.waiting = false;
    const place = this.#waiting.indexOf(call);
    if (place >= 0) this.#waiting.splice(place, 1);
  }

  async #run(): Promise<void> {
    this.#running = true;
    // what is appended in this turn of the event loop goes together
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      try {
        await this.#round();
      } catch (error) {
        this.#failAll(asBusError(error, this.#topic));
      }
    }
    this.#running = false;
  }

  async #round(): Promise<void> {
    const { signal } = this.#closing;
    signal.throwIfAborted();
    await this.#letOthers();
    const offset = await this.#findEnd(signal);
    const calls = this.#take();
    if (calls.length === 0) return;
    const nonce = randomBytes(16).toString('hex');
    const end = calls.reduce((sum, { count }) => sum + count, offset);
    const bytes = encodeSegment({
      first: offset,
      end,
      nonce,
      batches: [{ first: offset, count: end - offset, time: 0 }],
      records: calls.map(({ encoded }) => encoded),
    });
    const attempt: Try = { nonce, end, calls, abort: new AbortController() };
    const { asOf } = this.#log.end;
    this.#tries.add(attempt, offset, asOf);
    await this.#put(attempt, offset, bytes, asOf);
  }

  /** `knownAt`: when the offset was the end. */
  async #put(attempt: Try, offset: number, bytes: Uint8Array, knownAt: Moment): Promise<void> {
    const { store, paths, end } = this.#log;
    const asOf = moment();
    let result: { readonly etag: string } | 'conflict';
    try {
      const { signal } = attempt.abort;
      result = await store.put(paths.segment(offset), bytes, { absent: true }, signal);
    } catch (error) {
      this.#unsure = true;
      if (isCertain(error)) {
        this.#tries.remove(attempt);
        throw error;
      }
      await this.#afterUnknown(attempt, error);
      return;
    }
    if (result === 'conflict') {
      this.#unsure = true;
      this.#rivals += 1;
      this.#metAt = moment();
      return;
    }
    this.#rivals = Math.max(0, this.#rivals - 1);
    if (msSince(knownAt) > this.#options.validMs && (await this.#tookBack(attempt, offset, result)))
      return;
    end.confirm(attempt.end, asOf);
    this.#won(attempt, offset);
    this.#options.appended(attempt.end, bytes.length);
  }

  /** The process stood still between its idea of the end and the write: what is in a hole now is lost, so it is taken out
   *  and goes to the end. */
  async #tookBack(
    attempt: Try,
    offset: number,
    { etag }: { readonly etag: string },
  ): Promise<boolean> {
    const { signal } = this.#closing;
    const { store, paths, end } = this.#log;
    end.forget();
    try {
      if (!(await isInHole(this.#log, offset, signal))) return false;
      await store.remove(paths.segment(offset), { etag }, signal);
    } catch (error) {
      this.#loseTries();
      throw error;
    }
    this.#tries.remove(attempt);
    return true;
  }

  /** Mostly it is only the reply that was lost, and a look shows that it is stored. */
  async #afterUnknown(attempt: Try, error: unknown): Promise<void> {
    try {
      await this.#lookAtTries(this.#closing.signal);
    } catch {
      // that would have helped; the outcome is as unknown as before
    }
    if (!this.#tries.has(attempt)) return;
    const cause = asBusError(error, this.#topic);
    for (const call of attempt.calls) {
      this.#forget(call);
      this.#settle(call, failedOutcomes(call, 'unknown', cause));
    }
    // what comes after it must not pass it
    for (const call of this.#waiting.splice(0)) {
      call.waiting = false;
      this.#settle(call, failedOutcomes(call, this.#statusOf(call), behind(this.#topic, cause)));
    }
  }

  #failAll(error: BusError): void {
    for (const call of this.#waiting.splice(0)) {
      call.waiting = false;
      this.#settle(call, failedOutcomes(call, this.#statusOf(call), error));
    }
  }

  /** Where others append too, whoever has lost waits a little: more documents come into the next segment, and fewer puts
   *  are in vain. */
  async #letOthers(): Promise<void> {
    if (this.#rivals === 0) return;
    if (msSince(this.#metAt) > aloneAfterMs) {
      this.#rivals = 0;
      return;
    }
    this.#unsure = true;
    const mostMs = Math.min(this.#options.rivalWaitMs, firstWaitMs * 2 ** (this.#rivals - 1));
    await this.#pause(Math.random() * mostMs);
  }

  #pause(ms: number): Promise<void> {
    const { signal } = this.#closing;
    return new Promise((resolve) => {
      const cancel = systemClock.after(ms, () => {
        signal.removeEventListener('abort', end);
        resolve();
      });
      const end = (): void => {
        cancel();
        resolve();
      };
      signal.addEventListener('abort', end, { once: true });
      if (signal.aborted) end();
    });
  }

  /** Where to append, as far as is known. Decides about what was tried before. */
  async #findEnd(signal: AbortSignal): Promise<number> {
    const { end } = this.#log;
    await this.#lookAtTries(signal);
    // nothing was found there: it is the end
    if (this.#tries.madeAt !== undefined) {
      this.#unsure = false;
      return this.#tries.madeAt.offset;
    }
    const { trusted } = end;
    const offset =
      trusted === undefined || this.#unsure ? (await end.locate(signal)).offset : trusted;
    this.#unsure = false;
    return offset;
  }

  async #lookAtTries(signal: AbortSignal): Promise<void> {
    if (this.#tries.madeAt === undefined) return;
    const { offset, asOf } = this.#tries.madeAt;
    const lookedAt = moment();
    const found = await this.#log.end.headAt(offset, signal);
    if (found !== undefined) this.#judge(found, offset, asOf);
    else if (msSince(asOf) > this.#options.validMs) this.#loseTries();
    else {
      this.#log.end.confirm(offset, lookedAt);
      this.#tries.renew(lookedAt);
    }
  }

  /** What is stored where they were made tells which of them, if any, it is. */
  #judge(found: SeenSegment, offset: number, asOf: Moment): void {
    this.#log.end.passed(found);
    const winner = this.#tries.withNonce(found.nonce);
    if (winner !== undefined) {
      this.#won(winner, offset);
      this.#options.appended(winner.end, 0);
    } else if (msSince(asOf) > this.#options.validMs) this.#loseTries();
    else this.#clearTries();
  }

  #won({ calls }: Try, offset: number): void {
    this.#clearTries();
    let first = offset;
    for (const call of calls) {
      call.first = first;
      first += call.count;
      this.#forget(call);
      this.#settle(call, this.#stored(call));
    }
  }

  /** What was found may have been written by compaction, which forgets who was first. */
  #loseTries(): void {
    for (const call of this.#tries.calls) {
      call.lost = true;
      this.#forget(call);
      this.#settle(call, failedOutcomes(call, 'unknown', unresolvable(this.#topic)));
    }
    this.#clearTries();
    this.#unsure = true;
  }

  #clearTries(): void {
    this.#tries.clear();
    for (const call of this.#waiting.filter(({ givenUp }) => givenUp)) this.#forget(call);
  }

  /** As many of those that wait as fit, at least one. */
  #take(): readonly Call[] {
    const calls: Call[] = [];
    let count = 0;
    let bytes = 0;
    for (const call of this.#waiting) {
      count += call.count;
      bytes += call.encoded.length;
      if (calls.length > 0 && (count > mostRecords || bytes > mostBytes)) break;
      calls.push(call);
    }
    return calls;
  }

  #stored(call: Call): readonly Outcome[] {
    return storedOutcomes(call, this.#log.end.time);
  }

  /** What will be given again may be stored together with another that comes first. */
  #statusOf(call: Call): 'rejected' | 'unknown' {
    return this.#expected.has(call) || this.#tries.of(call).length > 0 ? 'unknown' : 'rejected';
  }

  get #topic(): string {
    return this.#log.topic.name;
  }
}
