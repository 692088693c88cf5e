import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Bus, connect } from '@duobus/core';
import type { QueueDriver } from '@duobus/core/driver';
import { testBus } from '@duobus/core/testing';
import { memory, MemoryBroker } from '@duobus/memory';
import { Container, type ContainerModule } from 'inversify';
import {
  busId,
  busIds,
  busModule,
  busTargetId,
  eventBusId,
  handlesId,
  onEvents,
} from '../src/index.ts';
import { deferred } from './support/deferred.ts';
import { Invoices, Journal, Mail, Orders, shopContainer, source } from './support/shop.ts';
import { until } from './support/until.ts';

const mailOf = (container: Container): ContainerModule =>
  busModule(container, { source, subscriptions: [onEvents(Orders, 'mail', Mail)] });

describe('a test of a program', () => {
  it('rebinds what the bus connects to', async () => {
    const container = shopContainer();
    container.rebind(busTargetId).toConstantValue('memory:');
    const module = mailOf(container);
    await container.loadAsync(module);
    await container.get(eventBusId).publish(Orders, { orderId: '1' });
    const { lines } = container.get(Journal);
    await until(() => lines.length === 1);
    await container.unloadAsync(module);
  });

  it('rebinds it to a bus of its own, which unload drains and leaves open', async () => {
    const container = shopContainer();
    await using bus = await testBus();
    container.rebind(busTargetId).toConstantValue(bus);
    const module = mailOf(container);
    await container.loadAsync(module);
    assert.equal(container.get(busId), bus);
    await bus.events.publish(Orders, { orderId: '1' });
    await bus.idle();
    assert.deepEqual(container.get(Journal).lines, ['1']);
    const [handle] = container.get(handlesId);
    await container.unloadAsync(module);
    assert.equal(handle?.state, 'closed');
    await bus.events.publish(Invoices, { orderId: '1' });
    assert.equal(bus.published(Invoices).length, 1);
  });

  it('whose load fails closes all subscriptions, also those that were still on their way', async () => {
    const adapter = memory(new MemoryBroker('shop'));
    await using bus = await connect(adapter, { source });
    const { asked, go } = heldBack(adapter.queue as QueueDriver, 'ensureTopic');
    const container = shopContainer();
    container.rebind(busTargetId).toConstantValue(bus);
    const subscriptions = [onEvents(Orders, 'mail', Mail), onEvents(Orders, 'not a name', Mail)];
    const module = busModule(container, { source, subscriptions });
    let rejected = false;
    const loading = assert
      .rejects(container.loadAsync(module), TypeError)
      .then(() => (rejected = true));
    await asked;
    await new Promise(setImmediate);
    assert.equal(rejected, false);
    go();
    await loading;
    assert.deepEqual((await bus.health()).handles, []);
    assert.equal(container.isBound(busId), false);
  });
});

describe('a container', () => {
  it('can have several buses, each under a name', async () => {
    const container = shopContainer();
    const reports = busIds('reports');
    container.bind(reports.target).toDynamicValue(() => memory(new MemoryBroker('reports')));
    container
      .bind('report')
      .toResolvedValue((journal) => new Mail(journal), [Journal])
      .inSingletonScope();
    const shop = busModule(container, { source });
    const reporting = busModule(container, {
      source: '/reports',
      name: 'reports',
      subscriptions: [onEvents(Orders, 'report', 'report')],
    });
    await container.loadAsync(shop, reporting);
    assert.notEqual(container.get(busId), container.get(reports.bus));
    await container.get(eventBusId).publish(Orders, { orderId: 'unread' });
    await container.get(reports.events).publish(Orders, { orderId: 'read' });
    const { lines } = container.get(Journal);
    await until(() => lines.length === 1);
    assert.deepEqual(lines, ['read']);
    await container.unloadAsync(reporting);
    assert.equal((await container.get(busId).health()).connected, true);
    await container.unloadAsync(shop);
  });

  it('refuses a second bus under one name, and the same module twice', async () => {
    const broker = new MemoryBroker('shop');
    const container = shopContainer(broker);
    const module = mailOf(container);
    await container.loadAsync(module);
    const { size } = broker.connections;
    const refused = { name: 'TypeError', message: /has the bus already: unload that one first/ };
    await assert.rejects(container.loadAsync(module), refused);
    await assert.rejects(container.loadAsync(busModule(container, { source })), refused);
    assert.equal(broker.connections.size, size);
    assert.equal((await container.get(busId).health()).ok, true);
    await container.unloadAsync(module);
  });

  it('refuses the same module twice in one call, and nothing has begun', async () => {
    const broker = new MemoryBroker('shop');
    const container = shopContainer(broker);
    const module = mailOf(container);
    await assert.rejects(container.loadAsync(module, module), /has the bus already/);
    assert.equal(broker.connections.size, 0);
    container.unload(module);
    await container.loadAsync(module);
    await container.unloadAsync(module);
  });

  it('refuses a module that was made for another one', async () => {
    const [one, other] = [shopContainer(), shopContainer()];
    const module = mailOf(one);
    await assert.rejects(
      other.loadAsync(module),
      /another container .* pass that one to busModule/,
    );
    await one.loadAsync(module);
    await one.unloadAsync(module);
    assert.throws(() => busModule(undefined as never), /pass the container/);
  });

  it('can have a bus of its own below another: what it resolves there gets that one', async () => {
    const parent = shopContainer();
    const outer = busModule(parent, { source });
    await parent.loadAsync(outer);
    const child = new Container({ parent });
    const inner = mailOf(child);
    await child.loadAsync(inner);
    assert.notEqual(child.get(busId), parent.get(busId));
    await child.get(eventBusId).publish(Orders, { orderId: '1' });
    const { lines } = parent.get(Journal);
    await until(() => lines.length === 1);
    await child.unloadAsync(inner);
    assert.equal(child.get(busId), parent.get(busId));
    assert.equal((await parent.get(busId).health()).connected, true);
    await parent.unloadAsync(outer);
  });
});

describe('inversify', () => {
  it('refuses a synchronous load, and nothing has begun', async () => {
    const broker = new MemoryBroker('shop');
    const container = shopContainer(broker);
    const module = mailOf(container);
    assert.throws(() => container.load(module), /loadAsync\(\) instead/);
    await using other = await connect(memory(broker), { source });
    assert.equal(broker.connections.size, 2); // those of `other`
    assert.deepEqual(await other.events.topics.list(), []);
    assert.equal(container.isBound(busId), false);
  });

  it('refuses a synchronous unload only when it has begun: unloadAsync waits for that one', async () => {
    const broker = new MemoryBroker('shop');
    const container = shopContainer(broker);
    const module = mailOf(container);
    await container.loadAsync(module);
    assert.throws(() => container.unload(module), /unloadAsync\(\) instead/);
    await container.unloadAsync(module);
    assert.equal(broker.connections.size, 0);
    assert.equal(container.isBound(busId), false);
    await container.unloadAsync(module);
  });

  it('may unload while it loads: the load is rejected, and nothing is left', async () => {
    const steps = [0, 1, 2, 5, 10, 20, 40];
    for (const microtasks of steps) {
      const broker = new MemoryBroker('shop');
      const container = shopContainer(broker);
      const module = mailOf(container);
      const loading = container.loadAsync(module).then(
        () => undefined,
        (error: { readonly code: string }) => error.code,
      );
      for (let at = 0; at < microtasks; at += 1) await undefined;
      await container.unloadAsync(module);
      assert.equal(await loading, 'DUOBUS_CLOSED', `after ${microtasks} microtasks`);
      assert.equal(broker.connections.size, 0);
      assert.equal(container.isBound(busId), false);
    }
  });

  it('may unload while it connects: unloadAsync waits for what has to be closed', async () => {
    const broker = new MemoryBroker('shop');
    const adapter = memory(broker);
    const { asked, go } = heldBack(adapter.queue as QueueDriver, 'open');
    const container = shopContainer();
    container.rebind(busTargetId).toConstantValue(adapter);
    const module = mailOf(container);
    const loading = assert.rejects(container.loadAsync(module), { code: 'DUOBUS_CLOSED' });
    await asked;
    let unloaded = false;
    const unloading = container.unloadAsync(module).then(() => (unloaded = true));
    await new Promise(setImmediate);
    assert.equal(unloaded, false);
    go();
    await unloading;
    assert.equal(broker.connections.size, 0);
    await loading;
  });

  it('may unload while it subscribes, on a bus of its own too', async () => {
    const broker = new MemoryBroker('shop');
    const adapter = memory(broker);
    await using bus = await connect(adapter, { source });
    const { asked, go } = heldBack(adapter.queue as QueueDriver, 'ensureTopic');
    const container = shopContainer();
    container.rebind(busTargetId).toConstantValue(bus);
    const module = mailOf(container);
    const loading = assert.rejects(container.loadAsync(module), { code: 'DUOBUS_CLOSED' });
    await asked;
    const unloading = container.unloadAsync(module);
    go();
    await unloading;
    assert.deepEqual((await bus.health()).handles, []);
    await loading;
  });

  it('closes the bus with unbindAllAsync and with rebindAsync', async () => {
    for (const end of [
      (container: Container) => container.unbindAllAsync(),
      (container: Container) => container.rebindAsync(busId),
    ]) {
      const broker = new MemoryBroker('shop');
      const container = shopContainer(broker);
      const module = mailOf(container);
      await container.loadAsync(module);
      await end(container);
      assert.equal(broker.connections.size, 0);
      await container.unloadAsync(module);
    }
  });

  it('closes the bus though a snapshot was restored meanwhile', async () => {
    const broker = new MemoryBroker('shop');
    const container = shopContainer(broker);
    const module = mailOf(container);
    await container.loadAsync(module);
    container.snapshot();
    container.rebind(eventBusId).toConstantValue(undefined as never);
    container.restore();
    await container.unloadAsync(module);
    assert.equal(broker.connections.size, 0);
  });

  it('lets an activation of the bus be asynchronous', async () => {
    const container = shopContainer();
    const ready = deferred();
    let seen: Bus | undefined;
    container.onActivation<Bus>(busId, async (_, bus) => {
      await ready.promise;
      seen = bus;
      return bus;
    });
    const module = mailOf(container);
    const loading = container.loadAsync(module);
    ready.resolve();
    await loading;
    assert.equal(container.get(busId), seen);
    await container.unloadAsync(module);
  });
});

/** Holds the calls of one method back until `go`; `asked` resolves with the first. */
function heldBack(driver: QueueDriver, method: 'open' | 'ensureTopic') {
  const [asked, held] = [deferred(), deferred()];
  const original = driver[method].bind(driver) as (...args: unknown[]) => unknown;
  Object.assign(driver, {
    [method]: async (...args: unknown[]): Promise<unknown> => {
      asked.resolve();
      await held.promise;
      return original(...args);
    },
  });
  return { asked: asked.promise, go: held.resolve };
}
