import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Adapter, type Bus, BusError, connect, topic } from '@duobus/core';
import type { LogDriver } from '@duobus/core/driver';
import { memory, MemoryBroker } from '@duobus/memory';
import { Container } from 'inversify';
import {
  busId,
  busModule,
  type BusModuleOptions,
  busTargetId,
  eventBusId,
  onData,
  onEvents,
} from '../src/index.ts';
import { deferred } from './support/deferred.ts';
import { Invoices, Journal, Mail, Orders, shopContainer, source } from './support/shop.ts';
import { until } from './support/until.ts';

/** The same topic, as somebody else sees it. */
const otherOrders = topic('orders', { partitions: 7 });

class Unbound {
  handle(): void {}
}

class NoHandler {
  handle: undefined;
}

class Broken {
  constructor() {
    throw new Error('no password is set');
  }
  handle(): void {}
}

describe('a load that fails', () => {
  const cases: readonly (readonly [string, BusModuleOptions, object])[] = [
    [
      'because a handler is not bound',
      { subscriptions: [onEvents(Orders, 'mail', Unbound)] },
      {
        name: 'TypeError',
        message:
          "busModule: the handler Unbound of 'mail' is not bound: bind it before the module is loaded",
      },
    ],
    [
      'because a handler throws when it is made',
      { subscriptions: [onEvents(Orders, 'mail', Mail), onData(Orders, 'books', Broken)] },
      {
        name: 'Error',
        message: "busModule: the handler Broken of 'books' could not be made: no password is set",
      },
    ],
    [
      'because a handler is none',
      { subscriptions: [onEvents(Orders, 'mail', NoHandler as never)] },
      {
        name: 'TypeError',
        message: "busModule: the handler NoHandler of 'mail' has no method 'handle'",
      },
    ],
    [
      'because one of several subscriptions is refused',
      {
        subscriptions: [
          onEvents(Orders, 'mail', Mail),
          onData(Orders, 'analytics', Mail),
          onData(otherOrders as typeof Orders, 'books', Mail),
        ],
      },
      { code: 'DUOBUS_TOPIC_MISMATCH' },
    ],
    [
      'because an option is misspelt',
      { subscription: [] } as BusModuleOptions,
      { name: 'TypeError', message: /subscription/ },
    ],
    ['because there is no source', { source: undefined } as never, { name: 'TypeError' }],
  ];

  for (const [why, options, error] of cases) {
    it(`${why} leaves nothing behind, and says why`, async () => {
      const broker = new MemoryBroker('shop');
      await using other = await connect(memory(broker), { source });
      await other.data.topics.ensure(Orders);
      const before = broker.connections.size;
      const container = shopContainer(broker);
      container.bind(Broken).toSelf();
      container.bind(NoHandler).toSelf();
      const module = busModule(container, { source, ...options });
      await assert.rejects(container.loadAsync(module), error);
      assert.equal(broker.connections.size, before);
      assert.equal(container.isBound(busId), false);
      assert.equal(container.isBound(eventBusId), false);
    });
  }

  it('because nothing says what to connect to names what to bind', async () => {
    const container = new Container();
    await assert.rejects(container.loadAsync(busModule(container, { source })), {
      name: 'TypeError',
      message: /bind Symbol\(duobus.target\) before/,
    });
    container.bind(busTargetId).toConstantValue(undefined);
    await assert.rejects(container.loadAsync(busModule(container, { source })), {
      name: 'TypeError',
      message: /BUS_URL/,
    });
  });

  it('because the broker is away can be tried again when it is back', async () => {
    const broker = new MemoryBroker('shop');
    broker.stop();
    const container = shopContainer(broker);
    const module = busModule(container, {
      source,
      connectTimeoutMs: 20,
      subscriptions: [onEvents(Orders, 'mail', Mail)],
    });
    await assert.rejects(container.loadAsync(module), { code: 'DUOBUS_UNAVAILABLE' });
    broker.start();
    await container.loadAsync(module);
    await container.get(eventBusId).publish(Orders, { orderId: '1' });
    const { lines } = container.get(Journal);
    await until(() => lines.length === 1);
    await container.unloadAsync(module);
    assert.equal(broker.connections.size, 0);
  });

  it('lets the handlers finish that were at work already', async () => {
    const broker = new MemoryBroker('shop');
    await using other = await connect(memory(broker), { source });
    await other.data.publish(Orders, { orderId: '1' });
    const begun = deferred();
    const release = deferred();
    let finished = false;
    class Slow {
      async handle(): Promise<void> {
        begun.resolve();
        await release.promise;
        finished = true;
      }
    }
    const container = shopContainer();
    container.rebind(busTargetId).toConstantValue(failingFor('invoices', broker, begun.promise));
    container.bind(Slow).toSelf();
    const module = busModule(container, {
      source,
      subscriptions: [onData(Orders, 'slow', Slow), onData(Invoices, 'books', Mail)],
    });
    let loaded = false;
    const loading = assert
      .rejects(container.loadAsync(module), { code: 'DUOBUS_PERMISSION' })
      .finally(() => (loaded = true));
    await begun.promise;
    const bus = container.get(busId);
    await until(async () => (await refusal(bus)) === 'DUOBUS_CLOSED');
    assert.deepEqual([loaded, finished], [false, false]);
    release.resolve();
    await loading;
    assert.equal(finished, true);
  });

  it('lets the process end', async () => {
    const program = fileURLToPath(new URL('./support/failing-program.ts', import.meta.url));
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const child = spawn(process.execPath, ['--conditions=duobus:source', program], {
      env,
      timeout: 30_000,
    });
    const [output, errors, [code, signal]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'exit'),
    ]);
    assert.deepEqual([code, signal, output], [0, null, 'DUOBUS_TOPIC_MISMATCH\n'], errors);
  });
});

/** A broker that refuses one topic, once `when` has resolved. */
function failingFor(name: string, broker: MemoryBroker, when: Promise<void>): Adapter {
  const adapter = memory(broker);
  const log = adapter.log as LogDriver;
  const ensureTopic: LogDriver['ensureTopic'] = log.ensureTopic.bind(log);
  log.ensureTopic = async (wanted, mode, signal) => {
    if (wanted.name !== name) return ensureTopic(wanted, mode, signal);
    await when;
    throw new BusError('DUOBUS_PERMISSION', `topic '${name}' is not for you`);
  };
  return adapter;
}

async function refusal(bus: Bus): Promise<unknown> {
  try {
    await bus.events.subscribe(Orders, 'mail', () => undefined, { signal: AbortSignal.abort() });
  } catch (error) {
    return (error as Partial<BusError>).code;
  }
  return undefined;
}
