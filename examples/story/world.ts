import { type Bus, connect, memoryStore } from '@duobus/core';
import { Ledger } from './ledger.ts';
import { Shop } from './services/shop.ts';
import { say } from '../telling.ts';
import { type ShopTopics, shopTopics } from './topics.ts';

/** The brokers of this run, the shop, and what every service has noted down. */
export class World {
  readonly topics: ShopTopics;
  readonly shop: Shop;
  /** Where effects are marked as done. A real service keeps it in its database, next to the effect. */
  readonly store = memoryStore();
  readonly ledgers = {
    billing: new Ledger('billing'),
    shipping: new Ledger('shipping'),
    mail: new Ledger('mail'),
    loyalty: new Ledger('loyalty'),
    analytics: new Ledger('analytics'),
  };
  readonly #urls: { readonly events: string; readonly data: string };
  readonly #buses = new Set<Bus>();

  private constructor(
    run: string,
    urls: { readonly events: string; readonly data: string },
    bus: Bus,
  ) {
    this.#urls = urls;
    this.#buses.add(bus);
    this.topics = shopTopics(run);
    this.shop = new Shop(bus, this.topics);
  }

  static async open(): Promise<World> {
    const run = `${Date.now().toString(36)}${process.pid.toString(36)}`;
    const embedded = `memory://shop-${run}`;
    const urls = {
      events: process.env['EVENTS_URL'] ?? embedded,
      data: process.env['DATA_URL'] ?? embedded,
    };
    say(`event bus: ${broker(urls.events)}`);
    say(`data bus:  ${broker(urls.data)}`);
    return new World(run, urls, await connect(urls, { source: '/shop' }));
  }

  /** A service with a connection of its own, as if it were a process of its own. */
  async service(name: string): Promise<Bus> {
    const bus = await connect(this.#urls, { source: `/${name}`, store: this.store });
    this.#buses.add(bus);
    return bus;
  }

  /** Ends a service without letting it finish what it is doing. */
  async cutOff(bus: Bus): Promise<void> {
    await bus.close({ graceMs: 0 });
    this.#buses.delete(bus);
  }

  /** Why a bus is not well, or nothing at all. */
  async complaints(): Promise<readonly string[]> {
    const healths = await Promise.all([...this.#buses].map((bus) => bus.health()));
    return healths
      .filter(({ ok }) => !ok)
      .flatMap(({ connected, handles }) => [
        connected ? '' : 'not connected',
        ...handles
          .filter(({ ok }) => !ok)
          .map(({ name, state, detail }) => `${name} is ${state}: ${detail}`),
      ]);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#buses].map((bus) => bus.close()));
  }
}

function broker(url: string): string {
  const names: Readonly<Record<string, string>> = {
    'memory:': 'embedded, in this process',
    'amqp:': 'RabbitMQ',
    'amqps:': 'RabbitMQ',
    'kafka:': 'Kafka',
  };
  // an address of several hosts is no URL in the eyes of the class of that name
  const scheme = url.slice(0, url.indexOf(':') + 1);
  return names[scheme] ?? scheme;
}
