import type { DeadReason } from '../dead-letters.ts';
import { HandlerSignal } from '../delivery.ts';
import { BusError } from '../errors.ts';
import { delayOf } from './backoff.ts';
import { Brake } from './brake.ts';
import type { Consume } from './consume-options.ts';
import type { Context } from './context.ts';
import { Drains } from './drains.ts';
import { newPart, type Item, type Part, type Source } from './item.ts';
import { blockLane, enterLane, leaveLane, returnToLane } from './lanes.ts';
import { messageOf } from './link.ts';
import { isStopped, Ready } from './ready.ts';
import { DecodeFailure } from '../decode.ts';

/** Runs the handler. Throws, or rejects, with what the handler throws or with an DecodeFailure. */
export interface Runner {
  one(item: Item): unknown;
  readonly batch?: BatchRunner;
}

export interface BatchRunner {
  readonly size: number;
  readonly waitMs: number;
  /** One result per item, in order. Never rejects. */
  run(items: readonly Item[]): Promise<readonly BatchResult[]>;
}

export type BatchResult =
  | { readonly outcome: 'done' }
  | { readonly outcome: 'failed'; readonly error: unknown };

/** Handlers called in a row before others get a turn of the event loop. */
const burst = 256;

/**
 * Hands documents to the handler: lanes, concurrency, attempts, timeouts, the crash brake and the outage brake. Knows
 * nothing of brokers: a Source settles what is decided here.
 */
export class Dispatcher {
  readonly #context: Context;
  readonly #consume: Consume;
  readonly #runner: Runner;
  readonly #single: boolean;
  readonly #parts = new Set<Part>();
  readonly #ready: Ready;
  readonly #running = new Set<Item>();
  readonly #drains = new Drains(this.#running);
  readonly #brake: Brake;
  readonly #onIdle: () => void;
  #paused = false;
  #shut = false;
  #pumping = false;
  #sweeping = false;
  #batchTimer: (() => void) | undefined;
  readonly counts = { handled: 0, failed: 0, dead: 0, late: 0, held: 0 };
  lastHandledAt: number | undefined;

  constructor(
    context: Context,
    consume: Consume,
    runner: Runner,
    hooks: { onIdle(): void; onBrake(on: boolean): void },
  ) {
    this.#context = context;
    this.#consume = consume;
    this.#runner = runner;
    this.#single = runner.batch === undefined;
    this.#ready = new Ready(!this.#single);
    this.#onIdle = () => hooks.onIdle();
    this.#brake = new Brake(context.timers, consume, () => this.pump(), (on) => hooks.onBrake(on));
  }

  get running(): number {
    return this.#running.size;
  }

  runningOf(part: Part): Item[] {
    return [...this.#running].filter((item) => item.part === part);
  }

  get buffered(): number {
    let waiting = 0;
    for (const part of this.#parts) waiting += part.waiting;
    return waiting - this.counts.held;
  }

  get braked(): boolean {
    return this.#brake.on;
  }

  get halted(): readonly Part[] {
    return [...this.#parts].filter((part) => part.halted !== undefined);
  }

  part(source: Source, partition: number): Part {
    const part = newPart(source, partition);
    this.#parts.add(part);
    return part;
  }

  /** Takes documents of one partition, in order. */
  add(part: Part, items: readonly Item[]): void {
    part.waiting += items.length;
    for (const item of items) if (enterLane(part, item, this.#single)) this.#ready.add(item, false);
    part.source.level(part);
    this.pump();
  }

  /** Takes back, and returns, what matches and does not run: by default what is under a lease that has ended. */
  withdraw(part: Part, matches: (item: Item) => boolean = (item) => !item.lease.alive): Item[] {
    const taken = this.#ready.take(part, matches);
    for (const lane of part.lanes.values()) taken.push(...lane.waiting.take(matches));
    const held = [
      ...part.loose,
      ...[...part.lanes.values()].flatMap(({ head }) => (head === undefined ? [] : [head])),
    ];
    for (const item of held) if (item.phase === 'held' && matches(item)) taken.push(item);
    for (const item of taken) {
      if (item.phase === 'held') this.counts.held -= 1;
      if (part.halted === item) part.halted = undefined;
      part.waiting -= 1;
      item.phase = 'over';
    }
    for (const item of taken) this.#release(item);
    part.source.level(part);
    this.pump();
    return taken;
  }

  /** Hands out nothing more of a partition until `go`. */
  stop(part: Part): void {
    part.stopped = true;
  }

  go(part: Part): void {
    part.stopped = false;
    this.#unstash(part);
  }

  pause(): void {
    this.#paused = true;
  }

  resume(partition?: number): void {
    this.#paused = false;
    for (const part of this.#parts) {
      const item = part.halted;
      if (item === undefined || (partition !== undefined && part.partition !== partition)) continue;
      part.halted = undefined;
      item.failed = 0;
      this.#runAgain(item);
      this.#unstash(part);
    }
    this.pump();
  }

  /** Hands out nothing more, for good. */
  shut(): void {
    this.#shut = true;
    this.#brake.close();
    this.#batchTimer?.();
  }

  /** Resolves to true when nothing of `part` (or nothing at all) runs, to false after `ms`. */
  drained(part: Part | undefined, ms: number): Promise<boolean> {
    return this.#drains.wait(part, ms, this.#context.timers);
  }

  /** Aborts the signals of what runs: the results settle nothing and count no attempt. */
  abort(part: Part | undefined, reason: Error): void {
    for (const item of this.#running) {
      if (part !== undefined && item.part !== part) continue;
      item.aborted ??= reason;
      item.abort?.abort(reason);
    }
  }

  pump(): void {
    if (this.#pumping || this.#shut) return;
    this.#pumping = true;
    let more = true;
    try {
      for (let n = 0; n < burst && more; n += 1) more = this.#startNext();
    } finally {
      this.#pumping = false;
    }
    if (more) setImmediate(() => this.pump());
    else if (this.#running.size === 0 && this.#ready.size === 0) this.#onIdle();
  }

  #startNext(): boolean {
    if (this.#paused || this.#shut) return false;
    if (this.#brake.on && (this.#running.size > 0 || !this.#brake.mayTry)) return false;
    if (this.#ready.hasSuspect) return this.#startSuspect();
    if (this.#running.size >= this.#consume.concurrency || this.#runsSuspect) return false;
    if (this.#runner.batch !== undefined) return this.#startBatch(this.#runner.batch);
    const item = this.#ready.next();
    if (item === undefined) return false;
    this.#enter(item);
    item.part.source.level(item.part);
    this.#execute(item);
    return true;
  }

  /** A suspect runs while nothing else does. */
  get #runsSuspect(): boolean {
    for (const item of this.#running) return item.suspect;
    return false;
  }

  #startSuspect(): boolean {
    if (this.#running.size > 0) return false;
    const item = this.#ready.nextSuspect();
    if (item === undefined) return false;
    this.#enter(item);
    void this.#runSuspect(item, item.run);
    return true;
  }

  async #runSuspect(item: Item, run: number): Promise<void> {
    if (item.crashes >= this.#consume.maxCrashes) {
      this.#leave(item);
      this.#bury(
        item,
        'crash',
        `the process died ${item.crashes} times while this document was handled alone`,
        undefined,
      );
      return;
    }
    if (!item.probing) {
      const written = await item.part.source.probe(item);
      if (item.phase !== 'running' || item.run !== run) return;
      if (written !== 'kept' || !item.lease.alive || item.aborted !== undefined) {
        this.#leave(item);
        this.#over(item);
        return;
      }
    }
    this.#execute(item);
  }

  #enter(item: Item): void {
    item.part.waiting -= 1;
    item.phase = 'running';
    item.run += 1;
    item.startedAt = this.#context.timers.now();
    this.#running.add(item);
    this.#brake.tried();
    if (!this.#sweeping) this.#watch();
  }

  #execute(item: Item): void {
    const run = item.run;
    let result: unknown;
    try {
      result = this.#runner.one(item);
    } catch (error) {
      this.#failed(item, run, error);
      return;
    }
    if (isThenable(result)) {
      result.then(
        () => this.#succeeded(item, run),
        (error: unknown) => this.#failed(item, run, error),
      );
    } else this.#succeeded(item, run);
  }

  #succeeded(item: Item, run: number): void {
    if (!this.#counts(item, run)) return;
    this.counts.handled += 1;
    this.lastHandledAt = this.#context.timers.now();
    this.#brake.success();
    item.part.source.done(item);
    this.#over(item);
  }

  #failed(item: Item, run: number, error: unknown): void {
    if (this.#counts(item, run)) this.#decide(item, error);
  }

  /** Takes the item out of what runs. False: the result does not count any more. */
  #counts(item: Item, run: number): boolean {
    const current = item.phase === 'running' && item.run === run;
    if (current) this.#leave(item);
    if (current && item.lease.alive && item.aborted === undefined) return true;
    this.counts.late += 1;
    this.#context.event({
      type: 'late',
      bus: this.#consume.bus,
      name: this.#consume.name,
      id: item.attributes?.id ?? '',
    });
    if (current) this.#over(item);
    return false;
  }

  /** What a failure means: a repetition, a dead letter, or a stop. */
  #decide(item: Item, error: unknown): void {
    if (error instanceof DecodeFailure) {
      this.#exhausted(item, error.reason, error.message, error);
      return;
    }
    if (HandlerSignal.is(error) && error.kind === 'reject') {
      if (this.#brake.on) this.#again(item, this.#consume.brakeMs);
      else this.#bury(item, 'rejected', error.message, error);
      return;
    }
    item.failed += 1;
    this.counts.failed += 1;
    const { name, bus, maxAttempts, maxDelayMs, backoff } = this.#consume;
    this.#context.event({
      type: 'failed',
      bus,
      name,
      id: item.attributes?.id,
      attempt: item.failed,
      error,
    });
    if (item.failed >= maxAttempts) {
      this.#exhausted(
        item,
        'attempts',
        messageOf(error) || `the handler threw ${String(error)}`,
        error,
      );
      return;
    }
    const named = HandlerSignal.is(error) ? error.afterMs : undefined;
    this.#again(item, Math.min(named ?? delayOf(backoff, item.failed), maxDelayMs));
  }

  #exhausted(item: Item, reason: DeadReason, message: string, error: unknown): void {
    const braked = this.#brake.on;
    this.#brake.exhausted();
    if (braked) {
      item.failed = Math.min(item.failed, this.#consume.maxAttempts - 1);
      this.#again(item, this.#consume.brakeMs);
    } else if (reason === 'attempts' && item.part.source.halts(item, message)) {
      this.#hold(item);
      item.part.halted = item;
    } else this.#bury(item, reason, message, error);
  }

  #bury(item: Item, reason: DeadReason, message: string, error: unknown): void {
    const { name, bus } = this.#consume;
    this.#hold(item);
    void item.part.source.dead(item, reason, message).then((kept) => {
      if (kept) {
        this.counts.dead += 1;
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
    void source.retry(item, delayMs).then((written) => {
      if (!source.holds || !written) this.#settled(item);
      else if (item.phase === 'held') timers.after(due - timers.now(), () => this.#runAgain(item));
    });
  }

  #runAgain(item: Item): void {
    if (item.phase !== 'held') return;
    this.counts.held -= 1;
    item.part.loose.delete(item);
    this.#ready.add(item, true);
    this.pump();
  }

  #hold(item: Item): void {
    item.phase = 'held';
    item.part.waiting += 1;
    this.counts.held += 1;
    for (const behind of blockLane(item.part, item)) this.#ready.left(behind);
    item.part.source.level(item.part);
  }

  /** A held item is finished with, unless it was withdrawn meanwhile. */
  #settled(item: Item): void {
    if (item.phase !== 'held') return;
    this.counts.held -= 1;
    item.part.waiting -= 1;
    this.#over(item);
  }

  #over(item: Item): void {
    item.phase = 'over';
    this.#release(item);
    item.part.source.level(item.part);
    this.pump();
  }

  #release(item: Item): void {
    for (const next of leaveLane(item.part, item, this.#single)) this.#ready.add(next, false);
  }

  #leave(item: Item): void {
    this.#running.delete(item);
    this.#drains.check();
  }

  #unstash(part: Part): void {
    if (isStopped(part)) return;
    this.#ready.unstash(part);
    this.pump();
  }

  /** Not cancelled when nothing runs: it is one timer, however many documents come and go meanwhile. */
  #watch(): void {
    this.#sweeping = true;
    const ms = Math.min(1_000, Math.max(5, this.#consume.handlerTimeoutMs / 10));
    this.#context.timers.after(ms, () => this.#timeouts());
  }

  /** One timer for all runs: the set is in the order in which they began. */
  #timeouts(): void {
    this.#sweeping = false;
    const { handlerTimeoutMs: ms, name } = this.#consume;
    const now = this.#context.timers.now();
    for (const item of this.#running) {
      if (item.startedAt + ms > now) break;
      const error = new BusError(
        'DUOBUS_TIMEOUT',
        `the handler of '${name}' did not settle within ${ms} ms: raise handlerTimeoutMs, or let it stop when delivery.signal is aborted`,
        { retryable: true, context: { name, id: item.attributes?.id } },
      );
      item.abort?.abort(error);
      item.abort = undefined;
      this.#failed(item, item.run, error);
    }
    if (this.#running.size > 0) this.#watch();
  }

  #startBatch(batch: BatchRunner): boolean {
    let soonest = Number.POSITIVE_INFINITY;
    for (const part of this.#parts) {
      const first = part.fifo.peek();
      if (first === undefined || isStopped(part) || (part.source.ordered && part.busy > 0))
        continue;
      const left = first.arrivedAt + batch.waitMs - this.#context.timers.now();
      if (part.fifo.size < batch.size && left > 0) {
        soonest = Math.min(soonest, left);
        continue;
      }
      void this.#runBatch(part, this.#gather(part, this.#brake.on ? 1 : batch.size), batch);
      return true;
    }
    this.#batchTimer?.();
    this.#batchTimer =
      soonest === Number.POSITIVE_INFINITY
        ? undefined
        : this.#context.timers.after(soonest, () => this.pump());
    return false;
  }

  #gather(part: Part, size: number): Item[] {
    const items: Item[] = [];
    for (
      let item = part.fifo.shift();
      item !== undefined;
      item = items.length < size ? part.fifo.shift() : undefined
    ) {
      this.#ready.left(item);
      this.#enter(item);
      items.push(item);
    }
    part.source.level(part);
    return items;
  }

  async #runBatch(part: Part, items: readonly Item[], batch: BatchRunner): Promise<void> {
    part.busy += 1;
    const runs = items.map((item) => item.run);
    const results = await batch.run(items);
    part.busy -= 1;
    const behind: Item[] = [];
    // Nothing starts in between: a later document of a failed one's key must find its lane blocked.
    this.#pumping = true;
    items.forEach((item, at) => {
      const result = results[at] as BatchResult;
      const run = runs[at] as number;
      const head = item.lane === undefined ? undefined : part.lanes.get(item.lane)?.head;
      if (
        head !== undefined &&
        head !== item &&
        head.lease === item.lease &&
        item.phase === 'running' &&
        item.run === run
      )
        behind.push(item);
      else if (result.outcome === 'done') this.#succeeded(item, run);
      else this.#failed(item, run, result.error);
    });
    this.#putBehind(part, behind);
    this.#pumping = false;
    this.pump();
  }

  /** What came after a failed document of its key in the same batch waits for it; that counts no attempt. */
  #putBehind(part: Part, items: readonly Item[]): void {
    for (const item of items) {
      this.#leave(item);
      item.phase = 'waiting';
      item.cause = 'retry';
      part.waiting += 1;
    }
    returnToLane(part, items);
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as { then?: unknown }).then === 'function'
  );
}
