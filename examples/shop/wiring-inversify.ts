import {
  busId,
  busModule,
  busTargetId,
  onData,
  onEvents,
  type Subscription,
} from '@duobus/inversify';
import { Container, type ServiceIdentifier } from 'inversify';
import { Announcer } from './announcer.ts';
import { Database } from './database.ts';
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

const topicsId: ServiceIdentifier<ShopTopics> = Symbol.for('shop.topics');
const versionId: ServiceIdentifier<number> = Symbol.for('shop.version');

/** The same parts, put together by an inversify container. */
export async function wireWithInversify(
  { service, target, run, version }: Assignment,
  database: Database,
): Promise<Wired> {
  const container = new Container({ defaultScope: 'Singleton' });
  const topics = shopTopics(run);
  container.bind(busTargetId).toConstantValue(target);
  container.bind(topicsId).toConstantValue(topics);
  container.bind(versionId).toConstantValue(version);
  container.bind(Database).toConstantValue(database);
  bindServices(container);
  const { id, subscriptions } = plans[service];
  const module = busModule(container, {
    source: `/shop/${service}`,
    subscriptions: subscriptions(topics),
  });
  await container.loadAsync(module);
  return {
    bus: container.get(busId),
    service: container.get(id),
    close: () => container.unloadAsync(module),
  };
}

function bindServices(container: Container): void {
  container
    .bind(Announcer)
    .toResolvedValue((bus, topics) => new Announcer(bus, topics), [busId, topicsId]);
  const shared = [Announcer, Database] as const;
  container.bind(Orders).toResolvedValue((...parts) => new Orders(...parts), [...shared]);
  container.bind(Payments).toResolvedValue((...parts) => new Payments(...parts), [...shared]);
  container.bind(Shipping).toResolvedValue((...parts) => new Shipping(...parts), [...shared]);
  container.bind(Mailer).toResolvedValue((database) => new Mailer(database), [Database]);
  container.bind(Loyalty).toResolvedValue((database) => new Loyalty(database), [Database]);
  container.bind(OrderView).toResolvedValue((database) => new OrderView(database), [Database]);
  container
    .bind(Analytics)
    .toResolvedValue(
      (database, version) => new Analytics(database, version),
      [Database, versionId],
    );
}

interface Plan {
  readonly id: ServiceIdentifier<Service>;
  readonly subscriptions: (topics: ShopTopics) => readonly Subscription[];
}

const plans: Readonly<Record<ServiceName, Plan>> = {
  orders: { id: Orders, subscriptions: () => [] },
  payments: {
    id: Payments,
    subscriptions: ({ placed }) => [onEvents(placed, 'payments', Payments)],
  },
  shipping: {
    id: Shipping,
    subscriptions: ({ paid }) => [
      onEvents(paid, 'shipping', Shipping, { concurrency: 4, prefetch: 16 }),
    ],
  },
  mailer: {
    id: Mailer,
    subscriptions: ({ shipped, refused }) => [onEvents([shipped, refused], 'mailer', Mailer)],
  },
  loyalty: { id: Loyalty, subscriptions: ({ paid }) => [onEvents(paid, 'loyalty', Loyalty)] },
  'order-view': {
    id: OrderView,
    subscriptions: ({ journal }) => [onData(journal, 'order-view', OrderView)],
  },
  analytics: {
    id: Analytics,
    subscriptions: ({ journal }) => [onData(journal, 'analytics', Analytics)],
  },
};
