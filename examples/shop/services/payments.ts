import type { Announcer } from '../announcer.ts';
import type { Database } from '../database.ts';
import type { Service } from '../service.ts';
import type { OrderPlaced } from '../topics.ts';

const creditCents = 5_000;

/** Charges every order once, however often it is handed over, and says how that went. */
export class Payments implements Service {
  static readonly schema = `create table if not exists payments (
    orderId text primary key, customer text not null, number integer not null,
    cents integer not null, refused integer not null, late integer not null) strict;`;
  readonly #announcer: Announcer;
  readonly #database: Database;

  constructor(announcer: Announcer, database: Database) {
    this.#announcer = announcer;
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
      await this.#announcer.announce('refused', refusal, { id });
    } else {
      const payment = { orderId, customer, item, quantity, cents };
      await this.#announcer.announce('paid', payment, { id });
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
