import type { Bus } from '@duobus/core';
import type { Database } from './database.ts';
import { Analytics } from './services/analytics.ts';
import { Loyalty } from './services/loyalty.ts';
import { Mailer } from './services/mailer.ts';
import { OrderView } from './services/order-view.ts';
import { Orders } from './services/orders.ts';
import { Payments } from './services/payments.ts';
import { Shipping } from './services/shipping.ts';
import type { ShopTopics } from './topics.ts';

export type ServiceName =
  | 'orders'
  | 'payments'
  | 'shipping'
  | 'mailer'
  | 'loyalty'
  | 'order-view'
  | 'analytics';

/** What a service is told from outside. */
export type Command =
  | { readonly do: 'sell'; readonly from: number; readonly to: number }
  | { readonly do: 'rebuild' };

export interface Parts {
  readonly bus: Bus;
  readonly topics: ShopTopics;
  readonly database: Database;
  /** Of analytics: 1 has a bug. */
  readonly version: number;
}

/** A service at work. */
export interface Service {
  /** How much it has done, in all its lives. */
  readonly done: number;
  readonly carryOut?: (command: Command) => Promise<void>;
}

interface Plan {
  readonly schema: string;
  readonly start: (parts: Parts) => Promise<Service>;
}

/** What every service keeps, and what its handlers are subscribed to. */
export const services: Readonly<Record<ServiceName, Plan>> = {
  orders: {
    schema: Orders.schema,
    async start({ bus, topics, database }) {
      const orders = new Orders(bus, topics, database);
      return {
        get done() {
          return orders.done;
        },
        async carryOut(command) {
          if (command.do === 'sell') await orders.sell(command.from, command.to);
        },
      };
    },
  },
  payments: {
    schema: Payments.schema,
    async start({ bus, topics, database }) {
      const payments = new Payments(bus, topics, database);
      await bus.events.subscribe(topics.placed, 'payments', (order) => payments.handle(order));
      return payments;
    },
  },
  shipping: {
    schema: Shipping.schema,
    async start({ bus, topics, database }) {
      const shipping = new Shipping(bus, topics, database);
      await bus.events.subscribe(
        topics.paid,
        'shipping',
        (payment, delivery) => shipping.handle(payment, delivery),
        { concurrency: 4, prefetch: 16 },
      );
      return shipping;
    },
  },
  mailer: {
    schema: Mailer.schema,
    async start({ bus, topics, database }) {
      const mailer = new Mailer(database);
      await bus.events.subscribe([topics.shipped, topics.refused], 'mailer', (news) =>
        mailer.handle(news),
      );
      return mailer;
    },
  },
  loyalty: {
    schema: Loyalty.schema,
    async start({ bus, topics, database }) {
      const loyalty = new Loyalty(database);
      await bus.events.subscribe(topics.paid, 'loyalty', (payment) => loyalty.handle(payment));
      return loyalty;
    },
  },
  'order-view': {
    schema: OrderView.schema,
    async start({ bus, topics, database }) {
      const view = new OrderView(database);
      await bus.data.subscribe(topics.journal, 'order-view', (entry, delivery) =>
        view.handle(entry, delivery),
      );
      return {
        get done() {
          return view.done;
        },
        async carryOut(command) {
          if (command.do === 'rebuild') view.rebuild();
        },
      };
    },
  },
  analytics: {
    schema: Analytics.schema,
    async start({ bus, topics, database, version }) {
      const analytics = new Analytics(database, version);
      await bus.data.subscribe(topics.journal, 'analytics', (entry) => analytics.handle(entry));
      return analytics;
    },
  },
};
