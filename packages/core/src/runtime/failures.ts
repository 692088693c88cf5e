import type { DeadReason } from '../dead-letters.ts';
import { DecodeFailure } from '../decode.ts';
import { HandlerSignal } from '../delivery.ts';
import { delayOf } from './backoff.ts';
import { Brake } from './brake.ts';
import type { Consume } from './consume-options.ts';
import type { Context } from './context.ts';
import type { Item } from './item.ts';
import { blockLane } from './lanes.ts';
import { messageOf } from './link.ts';
import type { Ready } from './ready.ts';
import { within } from './within.ts';

/** What failures need of the dispatcher. */
export interface FailureHost {
  readonly ready: Ready;
  readonly counts: { failed: number; dead: number };
  over(item: Item): void;
  pump(): void;
  onBrake(on: boolean): void;
}

/** Decides what a failed run means, and holds the document until that is written and its delay is over. */
export class Failures {
  readonly #context: Context;
  readonly #consume: Consume;
  readonly #host: FailureHost;
  /** What is being written about documents that have failed. */
  readonly #writes = new Set<Promise<void>>();
  readonly brake: Brake;

  constructor(context: Context, consume: Consume, host: FailureHost) {
    this.#context = context;
    this.#consume = consume;
    this.#host = host;
    this.brake = new Brake(
      context.timers,
      consume,
      () => host.pump(),
      (on) => host.onBrake(on),
    );
  }

  /** Resolves when what has failed is written down, or after `ms`. */
  async written(ms: number): Promise<void> {
    if (this.#writes.size > 0) await within(this.#context.timers, ms, Promise.all(this.#writes));
  }

  /** What a failure means: a repetition, a dead letter, or a stop. */
  decide(item: Item, error: unknown): void {
    if (error instanceof DecodeFailure) {
      this.#exhausted(item, error.reason, error.message, error);
      return;
    }
    item.failed += 1;
    this.#host.counts.failed += 1;
    const { name, bus, maxAttempts, maxDelayMs, backoff } = this.#consume;
    this.#context.event({
      type: 'failed',
      bus,
      name,
      id: item.attributes?.id,
      attempt: item.failed,
      error,
    });
    if (HandlerSignal.is(error) && error.kind === 'reject') {
      if (this.brake.on) this.#tryLater(item);
      else this.bury(item, 'rejected', error.message, error);
      return;
    }
    if (item.failed >= maxAttempts) {
      this.#exhausted(
        item,
        'attempts',
        messageOf(error) || 'the handler threw without a reason',
        error,
      );
      return;
    }
    const named = HandlerSignal.is(error) ? error.afterMs : undefined;
    this.#again(item, Math.min(named ?? delayOf(backoff, item.failed), maxDelayMs));
  }

  #exhausted(item: Item, reason: DeadReason, message: string, error: unknown): void {
    const braked = this.brake.on;
    this.brake.exhausted();
    if (braked) this.#tryLater(item);
    else if (reason === 'attempts' && item.part.source.halts(item, message)) {
      item.part.halted.add(item);
      item.cause = 'retry';
      this.#hold(item);
    } else this.bury(item, reason, message, error);
  }

  #tryLater(item: Item): void {
    this.#again(item, Math.min(this.#consume.brakeMs, this.#consume.maxDelayMs));
  }

  /** Makes it a dead letter. */
  bury(item: Item, reason: DeadReason, message: string, error: unknown): void {
    const { name, bus } = this.#consume;
    this.#hold(item);
    this.#write(item.part.source.dead(item, reason, message), (kept) => {
      if (kept) {
        this.#host.counts.dead += 1;
        this.#context.event({ type: 'dead', bus, name, id: item.attributes?.id, reason, error });
      }
      this.#settled(item);
    });
  }

  #again(item: Item, delayMs: number): void {
    const { source } = item.part;
    const { timers } = this.#context;
    const due = timers.now() + delayMs;
    item.cause = 'retry';
    item.suspect = false;
    item.probing = false;
    this.#hold(item);
    this.#write(source.retry(item, delayMs), () => {
      // Where it is held the lane stays closed even if the attempt could not be written: a later one must not pass.
      if (!source.holds) this.#settled(item);
      else if (item.phase === 'held')
        item.cancelRetry = timers.after(due - timers.now(), () => this.runAgain(item));
    });
  }

  #write(writing: Promise<boolean>, then: (written: boolean) => void): void {
    const write = writing.then(then).finally(() => this.#writes.delete(write));
    this.#writes.add(write);
  }

  /** Its delay is over. */
  runAgain(item: Item): void {
    if (item.phase !== 'held') return;
    item.part.held -= 1;
    item.part.loose.delete(item);
    this.#host.ready.add(item, true);
    this.#host.pump();
  }

  #hold(item: Item): void {
    item.phase = 'held';
    item.part.waiting += 1;
    item.part.held += 1;
    blockLane(item.part, item, () => this.#host.ready.takeLane(item.part, item.lane as string));
    item.part.source.level(item.part);
    // Its place is free for another.
    this.#host.pump();
  }

  /** A held item is finished with, unless it was withdrawn meanwhile. */
  #settled(item: Item): void {
    if (item.phase !== 'held') return;
    item.part.held -= 1;
    item.part.waiting -= 1;
    this.#host.over(item);
  }
}
