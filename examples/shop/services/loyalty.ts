import type { Database } from '../database.ts';
import type { Service } from '../service.ts';
import type { OrderPaid } from '../topics.ts';

const centsPerPoint = 100;

/** Gives points for what is paid from the day on that it was introduced. */
export class Loyalty implements Service {
  static readonly schema =
    'create table if not exists points (orderId text primary key, points integer not null) strict;';
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  get done(): number {
    return this.#database.number('select count(*) from points');
  }

  handle({ orderId, cents }: OrderPaid): void {
    this.#database.transaction(() => {
      this.#database.counted();
      const points = Math.floor(cents / centsPerPoint);
      this.#database.run('insert or ignore into points values (?, ?)', orderId, points);
    });
  }
}
