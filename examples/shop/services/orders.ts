import type { Announcer } from '../announcer.ts';
import type { Database } from '../database.ts';
import type { Command, Service } from '../service.ts';
import type { OrderPlaced } from '../topics.ts';

const customers = ['ada', 'ben', 'cleo', 'dan', 'eva', 'finn', 'gus', 'hana'];
const items = ['teapot', 'lamp', 'atlas', 'kettle', 'violin'];

/** Takes orders. It knows nobody who listens. */
export class Orders implements Service {
  static readonly schema =
    'create table if not exists orders (orderId text primary key, cents integer not null) strict;';
  readonly #announcer: Announcer;
  readonly #database: Database;

  constructor(announcer: Announcer, database: Database) {
    this.#announcer = announcer;
    this.#database = database;
  }

  get done(): number {
    return this.#database.number('select count(*) from orders');
  }

  async carryOut(command: Command): Promise<void> {
    if (command.do === 'sell') await this.#sell(command.from, command.to);
  }

  /** Orders of one customer come one after the other, customers side by side. */
  async #sell(from: number, to: number): Promise<void> {
    await Promise.all(
      customers.map(async (customer, at) => {
        for (let number = from; number < to; number += 1)
          if (number % customers.length === at) await this.#sellOne(orderOf(number, customer));
      }),
    );
  }

  async #sellOne(order: OrderPlaced): Promise<void> {
    const { orderId, quantity, unitCents } = order;
    await this.#announcer.announce('placed', order);
    this.#database.run('insert into orders values (?, ?)', orderId, quantity * unitCents);
  }
}

function orderOf(number: number, customer: string): OrderPlaced {
  return {
    orderId: `order-${String(number).padStart(5, '0')}`,
    number,
    customer,
    item: items[number % items.length] ?? '',
    quantity: 1 + (number % 3),
    unitCents: 1_000 + 150 * (number % 7),
  };
}
