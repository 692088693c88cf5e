import type { LogRecord } from '../driver.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { Item } from './item.ts';
import { takeRecord, type ItemHome } from './log-items.ts';
import type { LogPartition } from './log-partition.ts';
import { maxSpan } from './pointer.ts';

/** What it needs of its feed. */
interface IntakeHome {
  readonly dispatcher: Dispatcher;
  readonly items: () => ItemHome;
  /** Writes the pointer at once. Resolves to false when the partition is no longer owned. */
  readonly write: (owned: LogPartition) => Promise<boolean>;
}

/** From what was read to what may be handed out: not further than a pointer can tell, after a crash not untried. */
export class LogIntake {
  readonly #home: IntakeHome;

  constructor(home: IntakeHome) {
    this.#home = home;
  }

  add(owned: LogPartition, records: readonly LogRecord[]): void {
    const home = this.#home.items();
    const items: Item[] = [];
    for (const record of records) {
      owned.readTo = record.offset + 1;
      if (owned.fits(record)) takeRecord(record, owned, home, items);
      else owned.backlog.push(record);
    }
    this.#home.dispatcher.add(owned.part, items);
    this.more(owned);
  }

  /** Something has been handled: more of the backlog may fit. */
  more(owned: LogPartition): void {
    if (owned.backlog.size === 0 || owned.tracker.span >= maxSpan / 2) return;
    const { room } = owned;
    const home = this.#home.items();
    const items: Item[] = [];
    for (
      let record = owned.backlog.peek();
      record !== undefined && owned.tracker.fits(record) && items.length < room;
      record = owned.backlog.peek()
    ) {
      owned.backlog.shift();
      takeRecord(record, owned, home, items);
    }
    if (owned.try(items)) void this.#tryTogether(owned, items);
    else if (items.length > 0) this.#home.dispatcher.add(owned.part, items);
  }

  /** Hands them out once it is written that a death which follows counts for each of them. */
  async #tryTogether(owned: LogPartition, items: readonly Item[]): Promise<void> {
    owned.opening = true;
    await this.#home.write(owned);
    owned.opening = false;
    if (owned.lease.alive) this.#home.dispatcher.add(owned.part, items);
  }
}
