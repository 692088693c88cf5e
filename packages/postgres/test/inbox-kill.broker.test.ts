import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Broker, startBroker } from '@duobus/brokers';
import { connect, topic } from '@duobus/core';
import { Consumers } from '@duobus/test-support';
import type { Consuming } from './support/consumer.ts';
import { newKey, useServer } from './support/server.ts';

const consumers = new Consumers<Consuming>(new URL('./support/consumer.ts', import.meta.url));
const count = 2_000;
const last = 200; // what only the last ones publish, as those before may be fast enough to leave nothing
const rounds = 4;

describe('postgresInbox on a bus whose consumers are killed', () => {
  const server = useServer();
  let redis: Broker;
  before(async () => {
    redis = await startBroker('redis');
    await server.inbox(server.pool());
  });
  after(() => redis.stop());

  async function judge(name: string): Promise<void> {
    for (const kind of ['order', 'mail']) {
      const effects = await server.effects(`${name} ${kind}`);
      const wanted = Array.from({ length: count }, (_, index) => `${name} ${kind} ${index}`);
      assert.deepEqual(effects, wanted.toSorted());
    }
  }

  it('has one effect for each document, which processes with buses of their own all handle', async () => {
    const name = newKey();
    const database = server.broker.url;
    const consuming = (first: number, published = count - last) => ({
      bus: 'memory:',
      database,
      topic: name,
      publishes: { count: published, first },
    });
    const handled = await consumers.consumeThroughDeaths({
      rounds,
      most: 400,
      dying: (round) => [consuming(round * 400), consuming(round * 400 + 100)],
      last: [consuming(0, count), consuming(count / 2, count)],
    });
    assert.ok(handled >= last, 'something was left for the last ones');
    await judge(name);
  });

  it('has one effect for each document of a queue in Redis', async () => {
    const name = newKey();
    const orders = topic<string>(name);
    const bus = await connect(redis.url, { source: '/test' });
    const handle = await bus.events.subscribe(orders, 'billing', () => undefined);
    await handle.close();
    const documents = Array.from({ length: count }, (_, index) => ({ document: String(index) }));
    await bus.events.publishMany(orders, documents);
    const consuming = { bus: redis.url, database: server.broker.url, topic: name };
    const two = [consuming, consuming];
    await consumers.consumeThroughDeaths({ rounds, most: 250, dying: () => two, last: two });
    for await (const letter of bus.events.deadLetters(orders, 'billing'))
      assert.fail(`a dead letter: ${letter.reason}`);
    await bus.close();
    await judge(name);
  });
});
