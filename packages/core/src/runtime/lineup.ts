import type { Outcome, OutboundRecord, StoredTopic } from '../driver.ts';
import { BusError, type PublishFailure } from '../errors.ts';
import { Deque } from '../internal/deque.ts';
import { delayOf, reconnectBackoff } from './backoff.ts';
import type { Context } from './context.ts';
import type { Link } from './link.ts';

/** The publishing half of a driver. */
export interface Sender {
  readonly publish: {
    readonly calls: number;
    readonly maxRecords: number;
    readonly maxBytes: number;
    readonly dedup: boolean;
  };
  send(
    topic: StoredTopic,
    partition: number,
    records: readonly OutboundRecord[],
    signal: AbortSignal,
  ): Promise<readonly Outcome[]>;
}

/** A document waiting for its result. */
export interface Entry {
  readonly record: OutboundRecord;
  readonly bytes: number;
  readonly deadline: number;
  phase: 'waiting' | 'sent' | 'over';
  readonly stored: (outcome: Extract<Outcome, { status: 'stored' }>) => void;
  readonly failed: (error: unknown) => void;
}

interface Call {
  readonly entries: readonly Entry[];
  readonly abort: AbortController;
  /** The driver has been given it: what is not confirmed may be stored. */
  handed: boolean;
  over: boolean;
}

/**
 * The documents on their way to one partition, in order. Several calls may be under way; what is certainly not stored
 * is sent again, in its place, unless a later document of its key has passed it.
 */
export class Lineup {
  readonly #sender: Sender;
  readonly #link: Link;
  readonly #context: Context;
  readonly #topic: StoredTopic;
  readonly #partition: number;
  readonly #empty: () => void;
  readonly #waiting = new Deque<Entry>();
  /** In order of sending; those at the front that are over are dropped. */
  #calls: Call[] = [];
  #flushing = false;
  #attempt = 0;
  #backingOff = false;

  constructor(
    sender: Sender,
    link: Link,
    context: Context,
    topic: StoredTopic,
    partition: number,
    empty: () => void,
  ) {
    this.#sender = sender;
    this.#link = link;
    this.#context = context;
    this.#topic = topic;
    this.#partition = partition;
    this.#empty = empty;
  }

  add(entry: Entry): void {
    this.#waiting.push(entry);
    this.#schedule();
  }

  /** Lets a document go whose caller no longer waits. What is sent may still be stored. */
  giveUp(entry: Entry, reason: unknown): void {
    if (entry.phase === 'over') return;
    entry.phase = 'over';
    entry.failed(reason);
  }

  /** Rejects what has reached its deadline. */
  expire(now: number, error: (sent: boolean) => BusError): void {
    for (const call of this.#calls) {
      if (call.over || (call.entries[0] as Entry).deadline > now) continue;
      for (const entry of call.entries)
        if (entry.deadline <= now)
          this.#fail(entry, call.handed ? 'unknown' : 'rejected', error(call.handed));
      call.abort.abort();
    }
    for (
      let head = this.#waiting.peek();
      head !== undefined && (head.phase === 'over' || head.deadline <= now);
      head = this.#waiting.peek()
    ) {
      this.#waiting.shift();
      this.#fail(head, 'rejected', error(false));
    }
    this.#dropWhenEmpty();
  }

  /** At once when nothing is under way, so that a single document does not wait; else after what comes in this turn. */
  #schedule(): void {
    if (this.#flushing || this.#backingOff) return;
    this.#flushing = true;
    if (this.#calls.length === 0) queueMicrotask(() => this.#flush());
    else setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#flushing = false;
    while (
      this.#waiting.size > 0 &&
      !this.#backingOff &&
      this.#underWay < this.#sender.publish.calls
    ) {
      const entries = this.#take();
      if (entries.length > 0)
        void this.#send({ entries, abort: new AbortController(), handed: false, over: false });
    }
  }

  get #underWay(): number {
    let n = 0;
    for (const call of this.#calls) if (!call.over) n += 1;
    return n;
  }

  #take(): Entry[] {
    const { maxRecords, maxBytes } = this.#sender.publish;
    const entries: Entry[] = [];
    let bytes = 0;
    for (
      let head = this.#waiting.peek();
      head !== undefined && entries.length < maxRecords;
      head = this.#waiting.peek()
    ) {
      if (head.phase !== 'over') {
        if (entries.length > 0 && bytes + head.bytes > maxBytes) break;
        bytes += head.bytes;
        head.phase = 'sent';
        entries.push(head);
      }
      this.#waiting.shift();
    }
    return entries;
  }

  async #send(call: Call): Promise<void> {
    this.#calls.push(call);
    const records = call.entries.map((entry) => entry.record);
    let outcomes = await this.#try(call, records);
    while (this.#sender.publish.dedup && outcomes.some(isUnknown) && !call.abort.signal.aborted) {
      // The same array again: the driver tells the broker that it is the same, so that it is stored once.
      this.#link.failed(outcomes.find(isUnknown)?.error);
      await this.#pause(call.abort.signal);
      if (!call.abort.signal.aborted) outcomes = await this.#try(call, records);
    }
    this.#judge(call, outcomes);
  }

  async #try(call: Call, records: readonly OutboundRecord[]): Promise<readonly Outcome[]> {
    try {
      await this.#link.ready(call.abort.signal);
    } catch (error) {
      const cause = BusError.is(error)
        ? error
        : new BusError(
            'DUOBUS_UNAVAILABLE',
            'publish was given up before the broker could be reached',
            { cause: error },
          );
      return records.map(() => ({ status: 'rejected', error: cause }));
    }
    call.handed = true;
    try {
      return await this.#sender.send(this.#topic, this.#partition, records, call.abort.signal);
    } catch (cause) {
      const error = BusError.is(cause)
        ? cause
        : new BusError('DUOBUS_BUG', 'the driver threw on publish', { cause });
      return records.map(() => ({ status: 'unknown', error }));
    }
  }

  #judge(call: Call, outcomes: readonly Outcome[]): void {
    const again: Entry[] = [];
    let problem: BusError | undefined;
    call.entries.forEach((entry, at) => {
      const outcome = outcomes[at] ?? {
        status: 'unknown',
        error: new BusError(
          'DUOBUS_BUG',
          'the driver reported fewer outcomes than it was given records',
        ),
      };
      if (outcome.status === 'stored') {
        if (entry.phase !== 'over') entry.stored(outcome);
        entry.phase = 'over';
        return;
      }
      problem = outcome.error;
      if (entry.phase === 'over') return;
      if (
        outcome.status === 'rejected' &&
        outcome.error.retryable &&
        !this.#isPassed(call, entry, outcomes)
      ) {
        entry.phase = 'waiting';
        again.push(entry);
      } else this.#fail(entry, outcome.status, outcome.error);
    });
    call.over = true;
    while (this.#calls[0]?.over === true) this.#calls.shift();
    for (const entry of again.toReversed()) this.#waiting.unshift(entry);
    if (problem === undefined) this.#attempt = 0;
    else this.#link.failed(problem);
    if (again.length > 0) void this.#pause().then(() => this.#schedule());
    else if (this.#waiting.size > 0) this.#schedule();
    this.#dropWhenEmpty();
  }

  /** Whether a later document of the same key is, or may be, stored already: sending this one again would swap them. */
  #isPassed(call: Call, entry: Entry, outcomes: readonly Outcome[]): boolean {
    const { key } = entry.record;
    if (key === undefined || this.#topic.order === 'none') return false;
    const after = call.entries.indexOf(entry) + 1;
    for (let at = after; at < call.entries.length; at += 1) {
      if ((call.entries[at] as Entry).record.key === key && outcomes[at]?.status !== 'rejected')
        return true;
    }
    const later = this.#calls.slice(this.#calls.indexOf(call) + 1);
    return later.some((other) => other.entries.some((one) => one.record.key === key));
  }

  /** Where a keyed document fails, the later ones of its key that are not sent yet fail with it. */
  #fail(entry: Entry, outcome: PublishFailure, error: BusError): void {
    if (entry.phase === 'over') return;
    entry.phase = 'over';
    entry.failed(withOutcome(error, outcome, this.#topic.name));
    const { key } = entry.record;
    if (key === undefined) return;
    for (const later of this.#waiting) {
      if (later.phase !== 'waiting' || later.record.key !== key) continue;
      later.phase = 'over';
      later.failed(
        new BusError(
          'DUOBUS_REJECTED',
          `an earlier document of the same key could not be published to topic '${this.#topic.name}', so this one was not sent: publish both again, in order`,
          {
            cause: error,
            retryable: true,
            outcome: 'rejected',
            context: { topic: this.#topic.name },
          },
        ),
      );
    }
  }

  async #pause(signal?: AbortSignal): Promise<void> {
    this.#backingOff = true;
    this.#attempt += 1;
    try {
      await this.#context.timers.sleep(delayOf(reconnectBackoff, this.#attempt), signal);
    } catch (error) {
      if (signal?.aborted !== true) throw error;
    } finally {
      this.#backingOff = false;
    }
  }

  #dropWhenEmpty(): void {
    if (this.#waiting.size === 0 && this.#calls.length === 0 && !this.#backingOff) this.#empty();
  }
}

function isUnknown(
  outcome: Outcome,
): outcome is Extract<Outcome, { status: 'unknown' | 'rejected' }> {
  return outcome.status === 'unknown';
}

function withOutcome(error: BusError, outcome: PublishFailure, topic: string): BusError {
  if (error.outcome === outcome) return error;
  const hint =
    outcome === 'unknown'
      ? ' Whether it is stored is not known: publish it again with the same id'
      : '';
  return new BusError(error.code, `${error.message}${hint}`, {
    cause: error.cause ?? error,
    retryable: error.retryable,
    outcome,
    context: { topic, ...error.context },
  });
}
