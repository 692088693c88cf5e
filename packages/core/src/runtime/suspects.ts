import type { Consume } from './consume-options.ts';
import type { Item } from './item.ts';
import type { Ready } from './ready.ts';

/** What suspects need of the dispatcher. */
export interface SuspectHost {
  readonly ready: Ready;
  readonly running: ReadonlySet<Item>;
  now(): number;
  enter(item: Item): void;
  leave(item: Item): void;
  over(item: Item): void;
  /** Its try is written, its turn has not come. */
  wait(item: Item): void;
  execute(item: Item): void;
  bury(item: Item, message: string): void;
  pump(): void;
}

/** The crash brake (design: C3): what a process may have died of runs while nothing else does, its try written first. */
export class Suspects {
  readonly #consume: Consume;
  readonly #host: SuspectHost;
  #settling = 0;

  constructor(consume: Consume, host: SuspectHost) {
    this.#consume = consume;
    this.#host = host;
  }

  /** What has become of the last one is being written: nothing may start. */
  get settling(): boolean {
    return this.#settling > 0;
  }

  get runsAlone(): boolean {
    const { running } = this.#host;
    if (running.size !== 1) return false;
    const [item] = running;
    return item?.suspect === true;
  }

  start(): boolean {
    const item = this.#host.ready.nextSuspect();
    if (item === undefined) return false;
    this.#host.enter(item);
    void this.#run(item, item.run);
    return true;
  }

  /** Its result is written before anything else is handed out: the next death is not to count for it. */
  left(item: Item): void {
    this.#settling += 1;
    void this.#settle(item);
  }

  async #run(item: Item, run: number): Promise<void> {
    if (item.crashes >= this.#consume.maxCrashes) {
      this.#host.leave(item);
      this.#host.bury(
        item,
        `the process died ${item.crashes} times while it handled this document`,
      );
      return;
    }
    if (!item.probing) {
      if (item.part.source.movesSuspects === true) this.#moveOthers(item);
      // The time of the write is not the handler's.
      item.startedAt = Number.POSITIVE_INFINITY;
      const written = await item.part.source.probe(item);
      if (item.phase !== 'running' || item.run !== run) return;
      item.startedAt = this.#host.now();
      if (written !== 'kept' || !item.lease.alive || item.aborted !== undefined) {
        this.#host.leave(item);
        this.#drop(item);
        return;
      }
    }
    this.#host.execute(item);
  }

  /** Of those that come back by themselves all tries are written together: none of them is handled now. */
  #moveOthers(first: Item): void {
    const { source } = first.part;
    const { maxCrashes } = this.#consume;
    const others = this.#host.ready.takeSuspects(
      (item) => item.part.source === source && !item.probing && item.crashes < maxCrashes,
    );
    for (const item of others) {
      this.#host.enter(item);
      void this.#move(item, item.run);
    }
  }

  async #move(item: Item, run: number): Promise<void> {
    item.startedAt = Number.POSITIVE_INFINITY;
    const written = await item.part.source.probe(item);
    if (item.phase !== 'running' || item.run !== run) return;
    this.#host.leave(item);
    if (written === 'kept') this.#host.wait(item);
    else this.#drop(item);
  }

  /** It comes back by itself, or is another owner's. */
  #drop(item: Item): void {
    item.part.source.dropped(item);
    this.#host.over(item);
  }

  async #settle(item: Item): Promise<void> {
    await Promise.resolve(); // its result is dealt with in this turn
    await item.part.source.written(item);
    this.#settling -= 1;
    this.#host.pump();
  }
}
