import { type Bus, connect } from '@duobus/core';
import { Announcer } from './announcer.ts';
import type { Database } from './database.ts';
import type { Service, ServiceName } from './service.ts';
import { Analytics } from './services/analytics.ts';
import { Loyalty } from './services/loyalty.ts';
import { Mailer } from './services/mailer.ts';
import { OrderView } from './services/order-view.ts';
import { Orders } from './services/orders.ts';
import { Payments } from './services/payments.ts';
import { Shipping } from './services/shipping.ts';
import { type ShopTopics, shopTopics } from './topics.ts';
import type { Assignment, Wired } from './worker.ts';

/** A service's parts put together by hand. */
export async function wire(
  { service, target, run, version }: Assignment,
  database: Database,
): Promise<Wired> {
  const bus = await connect(target, { source: `/shop/${service}` });
  try {
    const started = await start[service]({ bus, topics: shopTopics(run), database, version });
    return { bus, service: started, close: () => bus.close() };
  } catch (error) {
    await bus.close();
    throw error;
  }
}

export const schemas: Readonly<Record<ServiceName, string>> = {
  orders: Orders.schema,
  payments: Payments.schema,
  shipping: Shipping.schema,
  mailer: Mailer.schema,
  loyalty: Loyalty.schema,
  'order-view': OrderView.schema,
  analytics: Analytics.schema,
};

interface Parts {
  readonly bus: Bus;
  readonly topics: ShopTopics;
  readonly database: Database;
  readonly version: number;
}

const start: Readonly<Record<ServiceName, (parts: Parts) => Promise<Service>>> = {
  async orders({ bus, topics, database }) {
    return new Orders(new Announcer(bus, topics), database);
  },
  async payments({ bus, topics, database }) {
    const payments = new Payments(new Announcer(bus, topics), database);
    await bus.events.subscribe(topics.placed, 'payments', (order) => payments.handle(order));
    return payments;
  },
  async shipping({ bus, topics, database }) {
    const shipping = new Shipping(new Announcer(bus, topics), database);
    await bus.events.subscribe(
      topics.paid,
      'shipping',
      (payment, delivery) => shipping.handle(payment, delivery),
      { concurrency: 4, prefetch: 16 },
    );
    return shipping;
  },
  async mailer({ bus, topics, database }) {
    const mailer = new Mailer(database);
    await bus.events.subscribe([topics.shipped, topics.refused], 'mailer', (news) =>
      mailer.handle(news),
    );
    return mailer;
  },
  async loyalty({ bus, topics, database }) {
    const loyalty = new Loyalty(database);
    await bus.events.subscribe(topics.paid, 'loyalty', (payment) => loyalty.handle(payment));
    return loyalty;
  },
  async 'order-view'({ bus, topics, database }) {
    const view = new OrderView(database);
    await bus.data.subscribe(topics.journal, 'order-view', (entry, delivery) =>
      view.handle(entry, delivery),
    );
    return view;
  },
  async analytics({ bus, topics, database, version }) {
    const analytics = new Analytics(database, version);
    await bus.data.subscribe(topics.journal, 'analytics', (entry) => analytics.handle(entry));
    return analytics;
  },
};
