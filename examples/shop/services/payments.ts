import type { Bus } from '@duobus/core';
import type { Database } from '../database.ts';
import type { Service } from '../service.ts';
import type { OrderPlaced, ShopTopics } from '../topics.ts';

const creditCents = 5_000;

/** Charges every order once, however often it is handed over, and says how that went. */
export class Payments implements Service {
  static readonly schema = `create table if not exists payments (
    orderId text primary key, customer text not null, number integer not null,
    cents integer not null, refused integer not null, late integer not null) strict;`;
  readonly #bus: Bus;
  readonly #topics: ShopTopics;
  readonly #database: Database;

  constructor(bus: Bus, topics: ShopTopics, database: Database) {
    this.#bus = bus;
    this.#topics = topics;
    this.#database = database;
  }

  get done(): number {
    return this.#database.number('select count(*) from payments');
  }

  async handle(order: OrderPlaced): Promise<void> {
    const { orderId, customer, item, quantity, unitCents } = order;
    const cents = quantity * unitCents;
    const refused = cents > creditCents;
    this.#database.transaction(() => this.#charge(order, cents, refused));
    // Published however often the order comes: the process may have died after it was charged. The id is the same then.
    const id = `${orderId}-${refused ? 'refused' : 'paid'}`;
    if (refused) {
      const refusal = { orderId, customer, reason: `over ${creditCents / 100} euros` };
      await this.#bus.data.publish(this.#topics.journal, { what: 'refused', ...refusal }, { id });
      await this.#bus.events.publish(this.#topics.refused, refusal, { id });
    } else {
      const payment = { orderId, customer, item, quantity, cents };
      await this.#bus.data.publish(this.#topics.journal, { what: 'paid', ...payment }, { id });
      await this.#bus.events.publish(this.#topics.paid, payment, { id });
    }
  }

  #charge({ orderId, customer, number }: OrderPlaced, cents: number, refused: boolean): void {
    this.#database.counted();
    this.#database.run(
      `insert or ignore into payments select ?1, ?2, ?3, ?4, ?5,
       exists (select 1 from payments where customer = ?2 and number > ?3)`,
      orderId,
      customer,
      number,
      cents,
      refused ? 1 : 0,
    );
  }
}
