import { randomUUID } from 'node:crypto';
import { type Message, ReceiveMessageCommand } from '@aws-sdk/client-sqs';
import { BusError } from '@duobus/core/driver';
import { firstVisibilityMs } from './queue-held.ts';
import { isOverLimit } from './native-errors.ts';
import { isPassing, pauseAfter } from './queue-insist.ts';
import { batchSize } from './queue-batches.ts';
import type { Asked } from './queue-lease.ts';
import type { Pulse } from './queue-pulse.ts';
import type { Scope } from './queue-scope.ts';

export interface IntakeEvents {
  /** Takes over what has come. It counts as held until it is freed. */
  arrived(messages: readonly Message[], asked: Asked): Promise<void>;
  /** Receiving cannot go on. */
  failed(error: unknown): void;
}

/** Requests for messages at the same time. */
const mostPolls = 8;
/** All but one wait only so long: they are there for as long as there is much to do. */
const shortPollMs = 1_000;
/** Failures in a row that are waited out. */
const mostFailures = 5;
const gatherMs = 5;
/** A reply that was longer on its way than this has been lost, or its process stood still. */
const longestDelayMs = 5_000;
const overLimitMs = 5_000;

/** Receives for one member, as far as its credit goes: with one request while little comes, with more when more does. */
export class Intake {
  readonly #scope: Scope;
  readonly #credit: number;
  readonly #events: IntakeEvents;
  readonly #abort = new AbortController();
  readonly #signal: AbortSignal;
  readonly #polls = new Set<Promise<void>>();
  readonly #pulse: Pulse;
  #pulsing = false;
  /** Held by the member, or asked for. */
  #taken = 0;
  /** How many requests there should be. */
  #wanted = 1;
  #failures = 0;
  /** When the last failure was: those that were under way then tell nothing new. */
  #failedAt = -Infinity;
  /** Of FIFO requests that have failed: asked again while what SQS had taken for them is hidden, it answers with that. */
  #attempts: { readonly id: string; readonly until: number }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  /** By when the requests that run end by themselves. */
  #endsAt = 0;

  constructor(
    scope: Scope,
    credit: number,
    pulse: Pulse,
    events: IntakeEvents,
    ended: AbortSignal,
  ) {
    this.#pulse = pulse;
    this.#scope = scope;
    this.#credit = credit;
    this.#events = events;
    this.#signal = AbortSignal.any([this.#abort.signal, ended]);
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  get endsAt(): number {
    return this.#endsAt;
  }

  start(): void {
    this.#pulse.start();
    this.#pulsing = true;
    this.#pump();
  }

  /** So many that had arrived are held no longer. */
  freed(count: number): void {
    this.#taken -= count;
    this.#pump();
  }

  /** Asks for nothing more. What comes for requests that run still arrives. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#endPulse();
  }

  /** When nothing more arrives. */
  async settled(): Promise<void> {
    await Promise.all(this.#polls);
  }

  /** Gives up on requests that run: what SQS takes for them comes back after its visibility. */
  abort(): void {
    this.stop();
    this.#abort.abort(new BusError('DUOBUS_CLOSED', 'the consumer is closed'));
  }

  /** Small requests cost as much as large ones: it waits for a moment until a large one is worth it. */
  #pump(gathered = false): void {
    if (this.#stopped || this.#timer !== undefined) return;
    const most = this.#credit;
    while (this.#polls.size < this.#wanted) {
      const free = most - this.#taken;
      if (free < 1) return;
      const few = free < Math.min(batchSize, most / 4);
      if (few && !gathered) return this.#later(gatherMs, true);
      this.#start(Math.min(batchSize, Math.floor(free)));
    }
  }

  #endPulse(): void {
    if (!this.#stopped || this.#polls.size > 0 || !this.#pulsing) return;
    this.#pulsing = false;
    this.#pulse.stop();
  }

  #later(ms: number, gathered: boolean): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#pump(gathered);
    }, ms);
    this.#timer.unref();
  }

  #start(count: number): void {
    this.#taken += count;
    const polling = this.#poll(count)
      .catch((error: unknown) => {
        this.stop();
        this.#events.failed(error);
      })
      .finally(() => {
        this.#polls.delete(polling);
        this.#pump();
        this.#endPulse();
      });
    this.#polls.add(polling);
  }

  async #poll(count: number): Promise<void> {
    const { pollMs, visibilityMs } = this.#scope.connection.settings;
    const waitMs = this.#polls.size === 0 ? pollMs : Math.min(pollMs, shortPollMs);
    const sentAt = performance.now();
    const visibility = firstVisibilityMs(visibilityMs);
    this.#endsAt = Math.max(this.#endsAt, sentAt + waitMs);
    const attempt = this.#scope.ordered ? this.#attempt(sentAt + visibility) : undefined;
    let messages: readonly Message[];
    try {
      messages = await this.#ask(count, waitMs, visibility, attempt?.id);
    } catch (error) {
      this.#taken -= count;
      const isKnown = BusError.is(error) && error.outcome === 'rejected';
      if (attempt !== undefined && !isKnown && this.#attempts.length < mostPolls)
        this.#attempts.push(attempt);
      this.#failed(error, sentAt);
      return;
    }
    this.#failures = 0;
    this.#taken -= count - messages.length;
    this.#adjust(messages.length / count);
    if (messages.length === 0) return;
    // others need not wait until these have been looked at
    this.#pump();
    const at = this.#pulse.takenAt(sentAt, Math.min(longestDelayMs, visibility / 4));
    await this.#events.arrived(messages, { at, visibilityMs: visibility });
  }

  #attempt(until: number): { readonly id: string; readonly until: number } {
    const now = performance.now();
    this.#attempts = this.#attempts.filter((attempt) => attempt.until > now);
    return this.#attempts.pop() ?? { id: randomUUID(), until };
  }

  async #ask(
    count: number,
    waitMs: number,
    visibilityMs: number,
    attempt: string | undefined,
  ): Promise<readonly Message[]> {
    const { connection, queueUrl, what } = this.#scope;
    const command = new ReceiveMessageCommand({
      QueueUrl: queueUrl,
      MaxNumberOfMessages: count,
      WaitTimeSeconds: Math.max(1, Math.floor(waitMs / 1_000)),
      VisibilityTimeout: Math.ceil(visibilityMs / 1_000),
      MessageSystemAttributeNames: [
        'ApproximateReceiveCount',
        'MessageGroupId',
        'SentTimestamp',
        'SequenceNumber',
      ],
      MessageAttributeNames: ['All'],
      ...(attempt === undefined ? {} : { ReceiveRequestAttemptId: attempt }),
    });
    const tried = `receive documents of ${what}`;
    const { Messages = [] } = await connection.poll(command, this.#signal, tried);
    return Messages;
  }

  /** SQS often answers with less than there is. */
  #adjust(share: number): void {
    if (share >= 0.5) this.#wanted = Math.min(mostPolls, this.#wanted + 1);
    else this.#wanted = share === 0 ? 1 : Math.max(1, this.#wanted - 1);
  }

  #failed(error: unknown, sentAt: number): void {
    if (this.#stopped) return;
    this.#wanted = 1;
    clearTimeout(this.#timer);
    // it goes on when some of what is held, or waits for another try, is settled
    if (BusError.is(error) && isOverLimit(error)) return this.#later(overLimitMs, false);
    if (sentAt > this.#failedAt) {
      this.#failures += 1;
      this.#failedAt = performance.now();
    }
    if (!isPassing(error) || this.#failures >= mostFailures) throw error;
    this.#later(pauseAfter(this.#failures), false);
  }
}
