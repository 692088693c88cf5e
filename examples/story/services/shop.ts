import type { Bus, Receipt } from '@duobus/core';
import type { OrderPlaced, ShopTopics } from '../topics.ts';

const customers = ['ada', 'ben', 'cleo', 'dan', 'eva', 'finn', 'gus', 'hana'];
const items = ['teapot', 'lamp', 'atlas', 'kettle', 'violin'];
const countries = ['DE', 'FR', 'NL'];
const atATime = 25;

/** The web shop: takes orders and publishes them. It knows none of the services that listen. */
export class Shop {
  readonly #bus: Bus;
  readonly #topics: ShopTopics;
  readonly #publishedAt = new Map<string, number>();
  #number = 0;
  #cents = 0;

  constructor(bus: Bus, topics: ShopTopics) {
    this.#bus = bus;
    this.#topics = topics;
  }

  /** Ids of all orders whose publish the broker has confirmed on both buses. */
  get orderIds(): readonly string[] {
    return [...this.#publishedAt.keys()];
  }

  /** What the shop's own books say. */
  get revenueCents(): number {
    return this.#cents;
  }

  publishedAt(orderId: string): number | undefined {
    return this.#publishedAt.get(orderId);
  }

  async sell(count: number): Promise<void> {
    for (let sold = 0; sold < count; sold += atATime) {
      const wave = Math.min(atATime, count - sold);
      await Promise.all(Array.from({ length: wave }, () => this.sellOne()));
    }
  }

  /** Both publishes carry one id: it is one document, said on two buses. */
  async sellOne(
    details: Partial<OrderPlaced> = {},
  ): Promise<{ readonly order: OrderPlaced; readonly receipt: Receipt }> {
    const order = { ...this.#nextOrder(), ...details };
    this.#publishedAt.set(order.orderId, performance.now());
    this.#cents += order.quantity * order.unitCents;
    const id = order.orderId;
    const [, receipt] = await Promise.all([
      this.#bus.events.publish(this.#topics.orderPlaced, order, { id }),
      this.#bus.data.publish(this.#topics.orders, order, { id }),
    ]);
    return { order, receipt };
  }

  #nextOrder(): OrderPlaced {
    const number = (this.#number += 1);
    const pick = (from: readonly string[]): string => from[number % from.length] ?? '';
    return {
      orderId: crypto.randomUUID(),
      number,
      customer: pick(customers),
      country: pick(countries),
      item: pick(items),
      quantity: 1 + (number % 3),
      unitCents: 1_000 + 150 * (number % 7),
    };
  }
}
