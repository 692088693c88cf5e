import type { Timers } from '../internal/timers.ts';
import type { Batch, Item, Part } from './item.ts';
import { isStopped, type Ready } from './ready.ts';

export interface BatchRunner {
  readonly size: number;
  readonly waitMs: number;
  /** One result per item, in order. Never rejects. */
  run(items: readonly Item[]): Promise<readonly BatchResult[]>;
}

export type BatchResult =
  | { readonly outcome: 'done' }
  | { readonly outcome: 'failed'; readonly error: unknown };

/** What batches need of the dispatcher. */
export interface BatchHost {
  readonly timers: Timers;
  readonly ready: Ready;
  enter(item: Item): void;
  /** The handler's verdict on an item that counts. */
  result(item: Item, result: BatchResult): void;
  /** Takes the item out of what runs. False: its result does not count any more. */
  counts(item: Item): boolean;
  /** The result of a batch came after its time. */
  late(item: Item): void;
  pump(): void;
  /** `Batches.finish`, while nothing starts in between: a later document of a failed one's key must find its lane blocked. */
  finish(batch: Batch, results: readonly BatchResult[]): void;
}

/** Gathers documents for a batch handler, and says what each result means. */
export class Batches {
  readonly #host: BatchHost;
  readonly #runner: BatchRunner;
  readonly #parts: ReadonlySet<Part>;
  #cancel: (() => void) | undefined;
  /** Batches running. */
  running = 0;

  constructor(host: BatchHost, runner: BatchRunner, parts: ReadonlySet<Part>) {
    this.#host = host;
    this.#runner = runner;
    this.#parts = parts;
  }

  /** Starts one batch of at most `most`. False: there is none, or it may still become fuller. */
  start(most: number): boolean {
    const { timers } = this.#host;
    const { size, waitMs } = this.#runner;
    let soonest = Number.POSITIVE_INFINITY;
    for (const part of this.#parts) {
      const first = part.fifo.peek();
      if (first === undefined || isStopped(part) || (part.source.ordered && part.busy > 0))
        continue;
      const left = first.arrivedAt + waitMs - timers.now();
      if (part.fifo.size < size && left > 0) {
        soonest = Math.min(soonest, left);
        continue;
      }
      this.#begin({ part, items: this.#gather(part, Math.min(size, most)), over: false });
      return true;
    }
    this.cancel();
    if (soonest < Number.POSITIVE_INFINITY)
      this.#cancel = timers.after(soonest, () => this.#host.pump());
    return false;
  }

  /** What the handler has said, or that its time is over. The first counts. */
  finish(batch: Batch, results: readonly BatchResult[]): void {
    if (batch.over) {
      for (const item of batch.items) this.#host.late(item);
      return;
    }
    batch.over = true;
    batch.part.busy -= 1;
    this.running -= 1;
    const failed = new Set<Item>();
    const behind: Item[] = [];
    batch.items.forEach((item, at) => {
      const result = results[at] as BatchResult;
      const counts = this.#host.counts(item);
      item.batch = undefined;
      if (!counts) return;
      const lane = item.lane === undefined ? undefined : batch.part.lanes.get(item.lane);
      if (lane !== undefined && failed.has(lane.head)) {
        behind.push(item);
        return;
      }
      if (result.outcome === 'failed') failed.add(item);
      this.#host.result(item, result);
    });
    this.#putBehind(batch.part, behind);
  }

  cancel(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #begin(batch: Batch): void {
    batch.part.busy += 1;
    this.running += 1;
    const abort = new AbortController();
    for (const item of batch.items) {
      item.batch = batch;
      item.abort = abort;
    }
    void this.#runner.run(batch.items).then((results) => this.#host.finish(batch, results));
  }

  #gather(part: Part, size: number): Item[] {
    const items: Item[] = [];
    while (items.length < size) {
      const item = part.fifo.shift();
      if (item === undefined) break;
      this.#host.ready.left(item);
      this.#host.enter(item);
      items.push(item);
    }
    part.source.level(part);
    return items;
  }

  /** What came after a failed document of its key in the same batch waits for it; that counts no attempt. */
  #putBehind(part: Part, items: readonly Item[]): void {
    for (const item of items.toReversed()) {
      item.phase = 'waiting';
      item.cause = 'retry';
      part.waiting += 1;
      part.source.shown(item);
      part.lanes.get(item.lane as string)?.waiting.unshift(item);
    }
  }
}
