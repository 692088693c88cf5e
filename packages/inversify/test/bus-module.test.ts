import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { connect, type Delivery, type EventBus } from '@duobus/core';
import { memory, MemoryBroker } from '@duobus/memory';
import {
  busId,
  busModule,
  dataBusId,
  eventBusId,
  handlesId,
  onData,
  onEvents,
} from '../src/index.ts';
import {
  Invoices,
  Journal,
  Mail,
  type Order,
  Orders,
  shopContainer,
  source,
} from './support/shop.ts';
import { deferred } from './support/deferred.ts';
import { until } from './support/until.ts';

describe('busModule', () => {
  it('binds the bus and its halves, connected once loadAsync has resolved', async () => {
    const container = shopContainer();
    const module = busModule(container, { source });
    await container.loadAsync(module);
    const bus = container.get(busId);
    assert.equal((await bus.health()).connected, true);
    assert.equal(container.get(eventBusId), bus.events);
    assert.equal(container.get(dataBusId), bus.data);
    assert.equal(container.get(busId), bus);
    await container.unloadAsync(module);
  });

  it('has subscribed on both buses once loadAsync has resolved', async () => {
    const container = shopContainer();
    const subscriptions = [
      onEvents(Orders, 'mail', Mail, { concurrency: 2 }),
      onData(Orders, 'analytics', Mail),
    ];
    const module = busModule(container, { source, subscriptions });
    await container.loadAsync(module);
    const { events, data } = container.get(busId);
    assert.deepEqual(await events.subscriptions(Orders), ['mail']);
    assert.deepEqual(await data.groups(Orders), ['analytics']);
    assert.deepEqual(
      container.get(handlesId).map(({ name, state }) => [name, state]),
      [
        ['mail', 'running'],
        ['analytics', 'running'],
      ],
    );
    await events.publish(Orders, { orderId: '1' });
    await data.publish(Orders, { orderId: '2' });
    const { lines } = container.get(Journal);
    await until(() => lines.length === 2);
    assert.deepEqual(lines.toSorted(), ['1', '2']);
    await container.unloadAsync(module);
  });

  it('passes on the options of a subscription', async () => {
    const broker = new MemoryBroker('shop');
    await using earlier = await connect(memory(broker), { source });
    await earlier.data.publish(Orders, { orderId: 'old' });
    const container = shopContainer(broker);
    const subscriptions = [onData(Orders, 'analytics', Mail, { from: 'latest' })];
    const module = busModule(container, { source, subscriptions });
    await container.loadAsync(module);
    await container.get(dataBusId).publish(Orders, { orderId: 'new' });
    const { lines } = container.get(Journal);
    await until(() => lines.includes('new'));
    assert.deepEqual(lines, ['new']);
    await container.unloadAsync(module);
  });

  it('lets handlers finish before unloadAsync resolves, and is disconnected then', async () => {
    const broker = new MemoryBroker('shop');
    const container = shopContainer(broker);
    const begun = deferred();
    const release = deferred();
    container.bind(Billing).toResolvedValue(
      (events) =>
        new Billing(events, () => {
          begun.resolve();
          return release.promise;
        }),
      [eventBusId],
    );
    const module = busModule(container, {
      source,
      subscriptions: [onEvents(Orders, 'billing', Billing)],
    });
    await container.loadAsync(module);
    await container.get(eventBusId).publish(Orders, { orderId: '1' });
    await begun.promise;
    const [handle] = container.get(handlesId);
    const bus = container.get(busId);

    let unloaded = false;
    const unloading = container.unloadAsync(module).then(() => (unloaded = true));
    await assert.rejects(
      bus.events.subscribe(Orders, 'late', () => undefined),
      {
        code: 'DUOBUS_CLOSED',
      },
    );
    assert.equal(unloaded, false);
    assert.ok(broker.connections.size > 0);
    release.resolve();
    await unloading;

    await handle?.done;
    assert.equal(broker.connections.size, 0);
    assert.equal(container.isBound(busId), false);
    assert.equal(broker.eventDepth('orders'), 0);
    assert.equal(Billing.invoiced, 1);
  });

  it('can be loaded again once it is unloaded', async () => {
    const container = shopContainer();
    const module = busModule(container, {
      source,
      subscriptions: [onEvents(Orders, 'mail', Mail)],
    });
    const { lines } = container.get(Journal);
    for (const orderId of ['1', '2']) {
      await container.loadAsync(module);
      await container.get(eventBusId).publish(Orders, { orderId });
      await until(() => lines.includes(orderId));
      await container.unloadAsync(module);
    }
    assert.deepEqual(lines, ['1', '2']);
  });

  it('runs middleware around every handler, the first outermost', async () => {
    const container = shopContainer();
    const { lines } = container.get(Journal);
    const noting = (name: string) => async (_: Delivery, next: () => Promise<unknown>) => {
      lines.push(name);
      await next();
    };
    const module = busModule(container, {
      source,
      middleware: [noting('outer'), noting('inner')],
      subscriptions: [onEvents(Orders, 'mail', Mail)],
    });
    await container.loadAsync(module);
    await container.get(eventBusId).publish(Orders, { orderId: '1' });
    await until(() => lines.length === 3);
    assert.deepEqual(lines, ['outer', 'inner', '1']);
    await container.unloadAsync(module);
  });
});

/** Publishes when it is nearly over: so it may while the bus is being closed. */
class Billing {
  static invoiced = 0;
  readonly #events: EventBus;
  readonly #work: () => Promise<void>;

  constructor(events: EventBus, work: () => Promise<void>) {
    this.#events = events;
    this.#work = work;
  }

  async handle(order: Order): Promise<void> {
    await this.#work();
    await this.#events.publish(Invoices, order);
    Billing.invoiced += 1;
  }
}
