import type { Database } from '../database.ts';
import type { Service } from '../service.ts';
import type { JournalEntry, OrderPlaced } from '../topics.ts';

/** How much an order is worth: by the first version, which forgot the quantity, and by the one that was mended. */
const worth: readonly ((order: OrderPlaced) => number)[] = [
  ({ unitCents }) => unitCents,
  ({ quantity, unitCents }) => quantity * unitCents,
];

/** Adds up what was ordered. What each version has made of the journal is kept apart. */
export class Analytics implements Service {
  static readonly schema = `create table if not exists sales (
    version integer not null, orderId text not null, item text not null, cents integer not null,
    primary key (version, orderId)) strict;`;
  readonly #database: Database;
  readonly #version: number;

  constructor(database: Database, version: number) {
    this.#database = database;
    this.#version = version;
  }

  get done(): number {
    return this.#database.number('select count(*) from sales where version = ?', this.#version);
  }

  handle(entry: JournalEntry): void {
    if (entry.what !== 'placed') return;
    const cents = worth[this.#version - 1]?.(entry) ?? 0;
    this.#database.transaction(() => {
      this.#database.counted();
      this.#database.run(
        'insert or ignore into sales values (?, ?, ?, ?)',
        this.#version,
        entry.orderId,
        entry.item,
        cents,
      );
    });
  }
}
