/* oxlint-disable typescript/no-floating-promises */
// #region handlers
import { type EventBus, topic } from '@duobus/core';

interface Order {
  readonly orderId: string;
  readonly customer: string;
}
export const Orders = topic<Order>('orders', { key: (order) => order.orderId });
export const Invoices = topic<{ orderId: string }>('invoices');

export class Mailer {
  readonly sent: string[] = [];
  async send(customer: string): Promise<void> {
    this.sent.push(customer);
  }
}

export class MailHandler {
  readonly #mailer: Mailer;

  constructor(mailer: Mailer) {
    this.#mailer = mailer;
  }

  async handle({ customer }: Order): Promise<void> {
    await this.#mailer.send(customer);
  }
}

export class BillingHandler {
  readonly #events: EventBus;

  constructor(events: EventBus) {
    this.#events = events;
  }

  async handle({ orderId }: Order): Promise<void> {
    await this.#events.publish(Invoices, { orderId });
  }
}
// #endregion handlers

// #region batch
import type { BatchItem } from '@duobus/core';

export class SearchHandler {
  readonly #index = new Map<string, Order>();

  handle(items: readonly BatchItem<Order>[]): void {
    for (const { document } of items) this.#index.set(document.orderId, document);
  }
}
// #endregion batch

// #region compose
import { busTargetId, eventBusId } from '@duobus/inversify';
import { Container } from 'inversify';

export function shop(): Container {
  const container = new Container();
  container.bind(busTargetId).toConstantValue(process.env.BUS_URL);
  container.bind(Mailer).toSelf().inSingletonScope();
  container.bind(MailHandler).toResolvedValue((mailer) => new MailHandler(mailer), [Mailer]);
  container
    .bind(BillingHandler)
    .toResolvedValue((events) => new BillingHandler(events), [eventBusId]);
  container.bind(SearchHandler).toSelf().inSingletonScope();
  return container;
}
// #endregion compose

// #region module
import { busModule, inBatches, onData, onEvents } from '@duobus/inversify';
import type { ContainerModule } from 'inversify';

export function shopBus(container: Container): ContainerModule {
  return busModule(container, {
    source: '/shop',
    subscriptions: [
      onEvents(Orders, 'mail', MailHandler, { concurrency: 4 }),
      onEvents(Orders, 'billing', BillingHandler),
      onData(Orders, 'search', inBatches(SearchHandler, { size: 200 }), { from: 'earliest' }),
    ],
  });
}
// #endregion module

// #region main
const container = shop();
const bus = shopBus(container);
await container.loadAsync(bus); // connected, and every subscription is there

await container.get(eventBusId).publish(Orders, { orderId: '42', customer: 'ada' });

await container.unloadAsync(bus); // handlers have finished, the bus is closed
// #endregion main

// #region several
import { busIds } from '@duobus/inversify';

const reports = busIds('reports');
container.bind(reports.target).toConstantValue('memory://reports');
const reporting = busModule(container, { name: 'reports', source: '/shop' });
await container.loadAsync(reporting);
await container.get(reports.data).publish(Invoices, { orderId: '42' });
// #endregion several
await container.unloadAsync(reporting);

// #region test
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { testBus } from '@duobus/core/testing';

it('writes an invoice for every order', async () => {
  const tested = shop();
  await using test = await testBus();
  tested.rebind(busTargetId).toConstantValue(test);
  await tested.loadAsync(shopBus(tested));

  await test.events.publish(Orders, { orderId: '1', customer: 'ada' });
  await test.idle();
  assert.deepEqual(
    test.published(Invoices).map(({ document }) => document),
    [{ orderId: '1' }],
  );
});
// #endregion test
