import { BusError } from '../errors.ts';
import type { Timers } from '../internal/timers.ts';
import type { Consume } from './consume-options.ts';
import type { Item } from './item.ts';

/** Ends the runs of handlers whose time is up. One timer for all: what runs is in the order in which it began. */
export class Deadlines {
  readonly #timers: Timers;
  readonly #consume: Pick<Consume, 'handlerTimeoutMs' | 'name'>;
  readonly #running: ReadonlySet<Item>;
  readonly #expire: (item: Item, error: BusError) => void;
  readonly #lookMs: number;
  #cancel: (() => void) | undefined;

  constructor(
    timers: Timers,
    consume: Pick<Consume, 'handlerTimeoutMs' | 'name'>,
    running: ReadonlySet<Item>,
    expire: (item: Item, error: BusError) => void,
  ) {
    this.#timers = timers;
    this.#consume = consume;
    this.#running = running;
    this.#expire = expire;
    this.#lookMs = Math.min(1_000, Math.max(5, consume.handlerTimeoutMs / 10));
  }

  /** Something has begun to run. The timer is not stopped when it ends: that would be a timer for every document. */
  watch(): void {
    this.#cancel ??= this.#timers.after(this.#lookMs, () => this.#look());
  }

  end(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #look(): void {
    this.#cancel = undefined;
    const { handlerTimeoutMs: ms, name } = this.#consume;
    const now = this.#timers.now();
    for (const item of this.#running) {
      if (item.startedAt + ms > now) break;
      const error = new BusError(
        'DUOBUS_TIMEOUT',
        `the handler of '${name}' did not settle within ${ms} ms: raise handlerTimeoutMs, or let it stop when delivery.signal is aborted`,
        { retryable: true, context: { name, id: item.attributes?.id } },
      );
      this.#expire(item, error);
    }
    if (this.#running.size > 0) this.watch();
  }
}
