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
  /** Undefined while it is under way. */
  outcomes: readonly Outcome[] | undefined;
}

/**
 * The documents on their way to one partition, in order. Several calls may be under way. When one of them has not
 * stored everything nothing more is sent until all have ended: what is certainly not stored is then sent again, in its
 * place, unless a later document of its key has passed it.
 */
export class Lineup {
  readonly #sender: Sender;
  readonly #link: Link;
  readonly #context: Context;
  readonly #topic: StoredTopic;
  readonly #partition: number;
  readonly #empty: () => void;
  readonly #waiting = new Deque<Entry>();
  /** In order of sending: those under way, those that have ended in trouble, and what was sent after one of these. */
  readonly #calls = new Set<Call>();
  #troubled = false;
  #flushing = false;
  #attempt = 0;
  #pauses = 0;

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
      if ((call.entries[0] as Entry).deadline > now) continue;
      call.entries.forEach((entry, at) => {
        const unsent = call.outcomes?.[at]?.status === 'rejected' || !call.handed;
        if (entry.deadline <= now)
          this.#fail(entry, unsent ? 'rejected' : 'unknown', error(!unsent));
      });
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
    if (this.#flushing || this.#blocked) return;
    this.#flushing = true;
    if (this.#calls.size === 0) queueMicrotask(() => this.#flush());
    else setImmediate(() => this.#flush());
  }

  get #blocked(): boolean {
    return this.#troubled || this.#pauses > 0;
  }

  #flush(): void {
    this.#flushing = false;
    while (this.#waiting.size > 0 && !this.#blocked && this.#hasTurn) {
      const entries = this.#take();
      if (entries.length > 0)
        void this.#send({
          entries,
          abort: new AbortController(),
          handed: false,
          outcomes: undefined,
        });
    }
    this.#dropWhenEmpty();
  }

  /** Calls that have stored everything are kept while an earlier one is under way, so there may be some more of them. */
  get #hasTurn(): boolean {
    const { calls } = this.#sender.publish;
    if (this.#calls.size < calls) return true;
    let underWay = 0;
    for (const { outcomes } of this.#calls) if (outcomes === undefined) underWay += 1;
    return underWay < calls && this.#calls.size < calls * 4;
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
    this.#calls.add(call);
    const records = call.entries.map((entry) => entry.record);
    let outcomes = await this.#try(call, records);
    while (this.#sender.publish.dedup && outcomes.some(isUnknown) && !call.abort.signal.aborted) {
      // The same array again: the driver tells the broker that it is the same, so that it is stored once.
      const before = outcomes;
      this.#link.failed(before.find(isUnknown)?.error);
      await this.#pause(call.abort.signal);
      if (call.abort.signal.aborted) break;
      outcomes = await this.#try(call, records);
      outcomes = outcomes.map((outcome, at) => surest(before[at] ?? unreported, outcome));
    }
    this.#ended(call, outcomes);
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

  #ended(call: Call, outcomes: readonly Outcome[]): void {
    let problem: BusError | undefined;
    call.outcomes = call.entries.map((entry, at) => {
      const outcome = outcomes[at] ?? unreported;
      if (outcome.status !== 'stored') problem = outcome.error;
      else if (entry.phase !== 'over') {
        entry.phase = 'over';
        entry.stored(outcome);
      }
      return outcome;
    });
    if (problem !== undefined) {
      this.#troubled = true;
      this.#link.failed(problem);
    } else if (!this.#troubled) {
      this.#attempt = 0;
      for (const first of this.#calls) {
        if (first.outcomes === undefined) break;
        this.#calls.delete(first);
      }
    }
    if (this.#troubled) this.#judge();
    if (this.#waiting.size > 0) this.#schedule();
    this.#dropWhenEmpty();
  }

  /** Once nothing is under way any more: what is to be sent again, and what has failed. */
  #judge(): void {
    for (const { outcomes } of this.#calls) if (outcomes === undefined) return;
    const all = [...this.#calls].flatMap(({ entries, outcomes }) =>
      entries.map((entry, at) => ({ entry, outcome: outcomes?.[at] ?? unreported })),
    );
    this.#calls.clear();
    this.#troubled = false;
    const passed = this.#topic.order === 'none' ? new Set<Entry>() : passedOnes(all);
    const again: Entry[] = [];
    const failed = new Map<string, BusError>();
    for (const { entry, outcome } of all) {
      if (entry.phase === 'over' || outcome.status === 'stored') continue;
      const { key } = entry.record;
      const before = key === undefined ? undefined : failed.get(key);
      if (outcome.status === 'rejected' && before !== undefined) this.#failBehind(entry, before);
      else if (outcome.status === 'rejected' && outcome.error.retryable && !passed.has(entry)) {
        entry.phase = 'waiting';
        again.push(entry);
      } else {
        if (key !== undefined) failed.set(key, outcome.error);
        this.#fail(entry, outcome.status, outcome.error);
      }
    }
    for (const entry of again.toReversed()) this.#waiting.unshift(entry);
    if (again.length > 0) void this.#pause().then(() => this.#resumed());
  }

  /** Where a keyed document fails, the later ones of its key that are not sent yet fail with it. */
  #fail(entry: Entry, outcome: PublishFailure, error: BusError): void {
    if (entry.phase === 'over') return;
    entry.phase = 'over';
    entry.failed(withOutcome(error, outcome, this.#topic.name));
    const { key } = entry.record;
    if (key === undefined) return;
    for (const later of this.#waiting)
      if (later.phase === 'waiting' && later.record.key === key) this.#failBehind(later, error);
  }

  #failBehind(later: Entry, cause: BusError): void {
    later.phase = 'over';
    later.failed(behindFailed(this.#topic.name, cause));
  }

  async #pause(signal?: AbortSignal): Promise<void> {
    this.#pauses += 1;
    this.#attempt += 1;
    try {
      await this.#context.timers.sleep(delayOf(reconnectBackoff, this.#attempt), signal);
    } catch (error) {
      if (signal?.aborted !== true) throw error;
    } finally {
      this.#pauses -= 1;
    }
  }

  #resumed(): void {
    if (this.#waiting.size > 0) this.#schedule();
    this.#dropWhenEmpty();
  }

  #dropWhenEmpty(): void {
    if (this.#waiting.size === 0 && this.#calls.size === 0 && this.#pauses === 0) this.#empty();
  }
}

const unreported: Outcome = {
  status: 'unknown',
  error: new BusError('DUOBUS_BUG', 'the driver reported fewer outcomes than it was given records'),
};

export function behindFailed(topic: string, cause: BusError): BusError {
  return new BusError(
    'DUOBUS_REJECTED',
    `an earlier document of the same key could not be published to topic '${topic}', so this one was not sent: publish both again, in order`,
    { cause, retryable: true, outcome: 'rejected', context: { topic } },
  );
}

/** Those with a later document of the same key that is, or may be, stored: sending them again would swap the two. */
function passedOnes(
  all: readonly { readonly entry: Entry; readonly outcome: Outcome }[],
): ReadonlySet<Entry> {
  const passed = new Set<Entry>();
  const keys = new Set<string>();
  for (const { entry, outcome } of all.toReversed()) {
    const { key } = entry.record;
    if (key === undefined) continue;
    if (outcome.status !== 'rejected') keys.add(key);
    else if (keys.has(key)) passed.add(entry);
  }
  return passed;
}

/** What two tries of one record say together: a refusal says nothing about what an earlier try has stored. */
function surest(before: Outcome, after: Outcome): Outcome {
  if (before.status === 'stored' || after.status === 'stored')
    return before.status === 'stored' ? before : after;
  return before.status === 'unknown' && after.status === 'rejected'
    ? { status: 'unknown', error: after.error }
    : after;
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
