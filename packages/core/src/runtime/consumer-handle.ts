import { BusError } from '../errors.ts';
import type { Handle, HandleState, HandleStats } from '../handle.ts';
import { deferred } from '../internal/deferred.ts';
import type { Consume } from './consume-options.ts';
import type { Context } from './context.ts';
import { Dispatcher, type Runner } from './dispatcher.ts';
import type { Feed } from './feed.ts';
import { messageOf } from './link.ts';
import { Standstill } from './standstill.ts';

/** A subscription or group member as its user holds it: one dispatcher, one feed per topic. */
export class ConsumerHandle implements Handle {
  readonly #context: Context;
  readonly #consume: Consume;
  readonly #feeds: Feed[] = [];
  readonly #done = deferred();
  readonly #onClose: (handle: ConsumerHandle) => void;
  readonly dispatcher: Dispatcher;
  #closing: Promise<void> | undefined;
  #closed = false;
  #shown: HandleState = 'running';
  #standstill: Standstill | undefined;
  resumed = false;

  constructor(
    context: Context,
    consume: Consume,
    runner: Runner,
    onClose: (handle: ConsumerHandle) => void,
  ) {
    this.#context = context;
    this.#consume = consume;
    this.#onClose = onClose;
    this.since = context.now();
    this.dispatcher = new Dispatcher(context, consume, runner, {
      onIdle: () => {
        for (const feed of this.#feeds) feed.idle();
      },
      onTurn: () => this.#standstill?.check(),
      onBrake: () => this.changed(),
    });
  }

  add(feed: Feed): void {
    if (this.#closing !== undefined)
      throw new BusError(
        'DUOBUS_CLOSED',
        `subscribe '${this.name}': it was closed before it had started`,
      );
    this.#feeds.push(feed);
  }

  /** What it owns is others' when this process has not been seen to live for so long, in ms. */
  owns(leaseMs: number): void {
    this.#standstill = new Standstill(this.#context.timers, leaseMs / 2, () => {
      for (const feed of this.#feeds) feed.stoodStill?.();
    });
  }

  get bus(): 'event' | 'data' {
    return this.#consume.bus;
  }

  get name(): string {
    return this.#consume.name;
  }

  get topics(): readonly string[] {
    return this.#feeds.map((feed) => feed.topic.name);
  }

  get done(): Promise<void> {
    return this.#done.promise;
  }

  get state(): HandleState {
    return this.#now().state;
  }

  get detail(): string | undefined {
    return this.#now().detail;
  }

  /** When it was made, in ms since 1970. */
  readonly since: number;

  /** How long there has been something to do here and nothing was handled, in ms. */
  get idleWithWorkMs(): number {
    const { hasWork, workSince, lastHandledAt = 0 } = this.dispatcher;
    return hasWork ? this.#context.now() - Math.max(workSince, lastHandledAt) : 0;
  }

  stats(): HandleStats {
    const { counts, running, buffered, held, lastHandledAt } = this.dispatcher;
    return {
      handled: counts.handled,
      failed: counts.failed,
      deadLettered: counts.dead,
      settled: this.#feeds.reduce((sum, feed) => sum + feed.settled, 0),
      running,
      buffered,
      held,
      late: counts.late,
      lastHandledAt,
      reconnects: this.#feeds.reduce((sum, feed) => sum + feed.reconnects, 0),
      partitions: [...new Set(this.#feeds.flatMap((feed) => feed.partitions))].toSorted(
        (a, b) => a - b,
      ),
    };
  }

  pause(): void {
    this.dispatcher.pause();
  }

  resume(partition?: number): void {
    this.dispatcher.resume(partition);
    this.changed();
  }

  /** To be called when something has happened that may change the state. */
  changed(): void {
    const { state, detail } = this.#now();
    if (state === this.#shown) return;
    this.#shown = state;
    this.#context.event({ type: 'state', bus: this.bus, name: this.name, state, detail });
  }

  close(graceMs: number = this.#consume.graceMs): Promise<void> {
    this.#closing ??= this.#close(graceMs).finally(() => this.#done.resolve());
    return this.#closing;
  }

  /** Ends because of something that no reconnecting mends. */
  fail(error: BusError): void {
    if (this.#closing !== undefined) return;
    const rejectDone = (): void => this.#done.reject(error);
    this.#closing = this.#close(0).then(rejectDone, rejectDone);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(graceMs: number): Promise<void> {
    const { timers } = this.#context;
    const until = timers.now() + graceMs;
    this.dispatcher.shut();
    try {
      await Promise.all(this.#feeds.map((feed) => feed.quiesce()));
      if (!(await this.dispatcher.drained(undefined, until - timers.now()))) {
        this.dispatcher.abort(
          undefined,
          new BusError(
            'DUOBUS_CLOSED',
            `'${this.name}' is being closed and its grace time of ${graceMs} ms is over`,
          ),
        );
      }
      await this.dispatcher.written(until - timers.now());
      this.dispatcher.end();
      await Promise.all(this.#feeds.map((feed) => feed.finish()));
    } finally {
      this.#standstill?.end();
      this.#closed = true;
      this.#onClose(this);
      this.changed();
    }
  }

  #now(): { readonly state: HandleState; readonly detail: string | undefined } {
    if (this.#closed) return { state: 'closed', detail: 'closed' };
    const troubles = this.#feeds.flatMap(({ trouble }) => (trouble === undefined ? [] : [trouble]));
    const lost = troubles.find(({ state }) => state === 'lost');
    if (lost !== undefined) return lost;
    const [halted] = this.dispatcher.halted;
    const [first] = halted?.halted ?? [];
    if (halted !== undefined) {
      return {
        state: 'halted',
        detail: `partition ${halted.partition} is stopped at document '${first?.attributes?.id}': mend the handler, then handle.resume(${halted.partition})`,
      };
    }
    if (this.dispatcher.braked) {
      return {
        state: 'braked',
        detail: `${this.#consume.brakeAfter} documents in a row failed for good: one is tried every ${this.#consume.brakeMs} ms until one succeeds`,
      };
    }
    return troubles[0] ?? { state: 'running', detail: undefined };
  }
}

/** Why a feed is over, for the handle's `done`. */
export function endOf(error: unknown, what: string): BusError {
  return BusError.is(error)
    ? error
    : new BusError('DUOBUS_BUG', `${what} ended: ${messageOf(error)}`, { cause: error });
}
