import type { Database } from '../database.ts';
import type { Service } from '../service.ts';
import type { OrderRefused, OrderShipped } from '../topics.ts';

/** Tells customers what became of their orders: once each. */
export class Mailer implements Service {
  static readonly schema =
    'create table if not exists mails (orderId text primary key, text text not null) strict;';
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  get done(): number {
    return this.#database.number('select count(*) from mails');
  }

  handle(news: OrderShipped | OrderRefused): void {
    const text = 'parcel' in news ? `${news.parcel} is on its way` : `refused: ${news.reason}`;
    this.#database.transaction(() => {
      this.#database.counted();
      this.#database.run('insert or ignore into mails values (?, ?)', news.orderId, text);
    });
  }
}
