import type { BusError } from '../errors.ts';
import { isThenable } from '../internal/thenable.ts';
import { Failures } from './failures.ts';
import type { Consume } from './consume-options.ts';
import type { Context } from './context.ts';
import { Deadlines } from './deadlines.ts';
import { Drains } from './drains.ts';
import { newPart, type Batch, type Item, type Part, type Source } from './item.ts';
import { Batches, type BatchResult, type BatchRunner } from './batches.ts';
import { enterLane, leaveLane } from './lanes.ts';
import { isStopped, Ready } from './ready.ts';
import { Suspects } from './suspects.ts';

/** Runs the handler. Throws, or rejects, with what the handler throws or with a DecodeFailure. */
export interface Runner {
  one(item: Item): unknown;
  readonly batch?: BatchRunner;
}

interface Hooks {
  onIdle(): void;
  /** Before anything is handed out. */
  onTurn(): void;
  onBrake(on: boolean): void;
}

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
  readonly #failures: Failures;
  readonly #suspects: Suspects;
  readonly #batches: Batches | undefined;
  readonly #deadlines: Deadlines;
  readonly #hooks: Hooks;
  #paused = false;
  #shut = false;
  #pumping = false;
  /** Handlers for single documents that are running. */
  #singles = 0;
  readonly counts = { handled: 0, failed: 0, dead: 0, late: 0 };
  lastHandledAt: number | undefined;
  /** Since when there has been something to do. */
  workSince = 0;

  constructor(context: Context, consume: Consume, runner: Runner, hooks: Hooks) {
    this.#context = context;
    this.#consume = consume;
    this.#runner = runner;
    this.#single = runner.batch === undefined;
    this.#ready = new Ready(!this.#single);
    this.#hooks = hooks;
    this.#failures = new Failures(context, consume, {
      ready: this.#ready,
      counts: this.counts,
      over: (item) => this.#over(item),
      pump: () => this.pump(),
      onBrake: (on) => hooks.onBrake(on),
    });
    this.#suspects = new Suspects(consume, {
      ready: this.#ready,
      running: this.#running,
      now: () => context.timers.now(),
      enter: (item) => {
        this.#singles += 1;
        this.#enter(item);
      },
      leave: (item) => this.#leave(item),
      over: (item) => this.#over(item),
      wait: (item) => {
        item.part.waiting += 1;
        item.probing = true;
        this.#ready.add(item, true);
      },
      execute: (item) => this.#execute(item),
      bury: (item, message) => this.#failures.bury(item, 'crash', message, undefined),
      pump: () => this.pump(),
    });
    this.#deadlines = new Deadlines(context.timers, consume, this.#running, (item, error) =>
      this.#expire(item, error),
    );
    if (runner.batch !== undefined) this.#batches = this.#makeBatches(runner.batch);
  }

  get running(): number {
    return this.#running.size;
  }

  runningOf(part: Part): Item[] {
    return [...this.#running].filter((item) => item.part === part);
  }

  get buffered(): number {
    let waiting = 0;
    for (const part of this.#parts) waiting += part.waiting - part.held;
    return waiting;
  }

  get held(): number {
    let held = 0;
    for (const part of this.#parts) held += part.held;
    return held;
  }

  get hasWork(): boolean {
    if (this.#running.size > 0) return true;
    for (const part of this.#parts) if (part.waiting > 0) return true;
    return false;
  }

  /** How many documents of one partition can be running at a time. */
  get mostRunning(): number {
    return this.#runner.batch?.size ?? this.#consume.concurrency;
  }

  get braked(): boolean {
    return this.#failures.brake.on;
  }

  get halted(): readonly Part[] {
    return [...this.#parts].filter((part) => part.halted.size > 0);
  }

  part(source: Source, partition: number): Part {
    const part = newPart(source, partition);
    this.#parts.add(part);
    return part;
  }

  /** Takes documents of one partition, in order. */
  add(part: Part, items: readonly Item[]): void {
    if (!this.hasWork) this.workSince = this.#context.timers.now();
    part.waiting += items.length;
    for (const item of items) this.#admit(item);
    part.source.level(part);
    this.pump();
  }

  #admit(item: Item): void {
    const { part, lane } = item;
    if (!this.#single && item.suspect && lane !== undefined && !part.lanes.has(lane)) {
      // What comes before a suspect in its lane is handled alone too: a batch would take it later.
      for (const earlier of this.#ready.takeLane(part, lane)) {
        earlier.suspect = true;
        if (enterLane(part, earlier, false)) this.#ready.add(earlier, false);
      }
    }
    if (enterLane(part, item, this.#single)) this.#ready.add(item, false);
  }

  /** Takes back, and returns, what matches and does not run: by default what is under a lease that has ended. */
  withdraw(part: Part, matches: (item: Item) => boolean = (item) => !item.lease.alive): Item[] {
    const taken = this.#ready.take(part, matches);
    for (const lane of part.lanes.values()) taken.push(...lane.waiting.take(matches));
    const held = [...part.loose, ...[...part.lanes.values()].map(({ head }) => head)];
    for (const item of held) if (item.phase === 'held' && matches(item)) taken.push(item);
    for (const item of taken) {
      if (item.phase === 'held') part.held -= 1;
      part.halted.delete(item);
      item.cancelRetry?.();
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
      if (partition !== undefined && part.partition !== partition) continue;
      const halted = [...part.halted];
      if (halted.length === 0) continue;
      part.halted.clear();
      for (const item of halted) this.#failures.runAgain(item);
      this.#unstash(part);
    }
    this.pump();
  }

  /** Hands out nothing more, for good. */
  shut(): void {
    this.#shut = true;
    this.#failures.brake.close();
    this.#batches?.cancel();
  }

  /** Nothing is awaited any more. */
  end(): void {
    this.#deadlines.end();
    this.#drains.end();
  }

  /** Resolves to true when nothing of `part` (or nothing at all) runs, to false after `ms`. */
  drained(part: Part | undefined, ms: number): Promise<boolean> {
    return this.#drains.wait(part, ms, this.#context.timers);
  }

  /** Resolves when what has failed is written down, or after `ms`. */
  written(ms: number): Promise<void> {
    return this.#failures.written(ms);
  }

  /** Aborts the signals of what runs: the results settle nothing and count no attempt. */
  abort(part: Part | undefined, reason: Error): void {
    for (const item of this.#running) {
      if (part !== undefined && item.part !== part) continue;
      item.aborted ??= reason;
      item.part.source.shown(item);
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
    else if (this.#running.size === 0 && this.#ready.size === 0) this.#hooks.onIdle();
  }

  #startNext(): boolean {
    this.#hooks.onTurn();
    if (this.#paused || this.#shut || this.#suspects.settling) return false;
    const { brake } = this.#failures;
    if (brake.on && (this.#running.size > 0 || !brake.mayTry)) return false;
    if (this.#ready.hasSuspect) return this.#running.size === 0 && this.#suspects.start();
    if (this.#singles + (this.#batches?.running ?? 0) >= this.#consume.concurrency) return false;
    if (this.#suspects.runsAlone) return false;
    if (this.#batches !== undefined)
      return this.#batches.start(brake.on ? 1 : Number.POSITIVE_INFINITY);
    const item = this.#ready.next();
    if (item === undefined) return false;
    this.#singles += 1;
    this.#enter(item);
    item.part.source.level(item.part);
    this.#execute(item);
    return true;
  }

  #enter(item: Item): void {
    item.part.waiting -= 1;
    item.phase = 'running';
    item.run += 1;
    item.startedAt = this.#context.timers.now();
    item.abort = undefined;
    this.#running.add(item);
    this.#failures.brake.tried();
    this.#deadlines.watch();
  }

  #execute(item: Item): void {
    const run = item.run;
    let later: Promise<unknown> | undefined;
    try {
      const result = this.#runner.one(item);
      if (isThenable(result)) later = Promise.resolve(result);
    } catch (error) {
      this.#failed(item, run, error);
      return;
    }
    if (later === undefined) this.#succeeded(item, run);
    else
      later.then(
        () => this.#succeeded(item, run),
        (error: unknown) => this.#failed(item, run, error),
      );
  }

  #succeeded(item: Item, run: number): void {
    if (this.#counts(item, run)) this.#handled(item);
  }

  #handled(item: Item): void {
    this.counts.handled += 1;
    this.lastHandledAt = this.#context.timers.now();
    this.#failures.brake.success();
    item.part.source.done(item);
    this.#over(item);
  }

  #failed(item: Item, run: number, error: unknown): void {
    if (this.#counts(item, run)) this.#failures.decide(item, error);
  }

  /** Takes the item out of what runs. False: the result does not count any more. */
  #counts(item: Item, run: number): boolean {
    const current = item.phase === 'running' && item.run === run;
    if (current) this.#leave(item);
    if (current && item.lease.alive && item.aborted === undefined) return true;
    this.#late(item);
    if (!current) return false;
    item.part.source.dropped(item);
    this.#over(item);
    return false;
  }

  #late(item: Item): void {
    const { bus, name } = this.#consume;
    this.counts.late += 1;
    this.#context.event({ type: 'late', bus, name, id: item.attributes?.id ?? '' });
  }

  #over(item: Item): void {
    item.phase = 'over';
    this.#release(item);
    item.part.source.level(item.part);
    this.pump();
  }

  #release(item: Item): void {
    for (const next of leaveLane(item.part, item, this.#single)) this.#admit(next);
  }

  #leave(item: Item): void {
    this.#running.delete(item);
    if (item.batch === undefined) this.#singles -= 1;
    if (item.suspect) this.#suspects.left(item);
    this.#drains.check();
  }

  #unstash(part: Part): void {
    if (isStopped(part)) return;
    this.#ready.unstash(part);
    this.pump();
  }

  #expire(item: Item, error: BusError): void {
    item.abort?.abort(error);
    if (item.batch === undefined) this.#failed(item, item.run, error);
    else
      this.#finish(
        item.batch,
        item.batch.items.map(() => ({ outcome: 'failed', error })),
      );
  }

  #makeBatches(runner: BatchRunner): Batches {
    return new Batches(
      {
        timers: this.#context.timers,
        ready: this.#ready,
        enter: (item) => this.#enter(item),
        result: (item, result) => {
          if (result.outcome === 'done') this.#handled(item);
          else this.#failures.decide(item, result.error);
        },
        counts: (item) => this.#counts(item, item.run),
        late: (item) => this.#late(item),
        pump: () => this.pump(),
        finish: (batch, results) => this.#finish(batch, results),
      },
      runner,
      this.#parts,
    );
  }

  #finish(batch: Batch, results: readonly BatchResult[]): void {
    this.#pumping = true;
    this.#batches?.finish(batch, results);
    this.#pumping = false;
    this.pump();
  }
}
