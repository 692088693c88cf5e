import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { type Broker, startBroker, startRedisCluster } from '@duobus/brokers';
import { connect, idempotent, topic } from '@duobus/core';
import { Cluster, Redis } from 'ioredis';
import { redisStore } from '../src/index.ts';

const orders = topic<string>('orders');

async function until(look: () => Promise<boolean> | boolean): Promise<void> {
  for (const over = performance.now() + 30_000; !(await look()); ) {
    if (performance.now() > over) throw new Error('not within 30 s');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('redisStore', () => {
  let broker: Broker;
  const clients: Redis[] = [];
  const newClient = (): Redis => {
    const client = new Redis(broker.url, { retryStrategy: () => 20 });
    client.on('error', () => undefined); // servers are ended here
    clients.push(client);
    return client;
  };
  before(
    async () =>
      void (broker = await startBroker('redis', {
        config: { appendonly: 'yes', appendfsync: 'always' },
      })),
  );
  after(async () => {
    for (const client of clients) client.disconnect();
    await broker.stop();
  });

  it('keeps a lease and a mark for their time by the clock of the server, under its prefix', async () => {
    const client = newClient();
    const prefix = `${randomUUID()}:`;
    const store = redisStore(client, { prefix, keepsForMs: 60_000 });
    await store.begin('k', 5_000, 'a');
    const [name] = await client.keys(`${prefix}*`);
    assert.ok(name !== undefined);
    const lease = await client.pttl(name);
    assert.ok(lease > 0 && lease <= 5_000, `${lease} ms`);
    await store.done('k', 'a');
    const kept = await client.pttl(name);
    assert.ok(kept > 5_000 && kept <= 60_000, `${kept} ms`);
    const forEver = redisStore(client, { prefix, keepsForMs: null });
    await forEver.done('k', 'a');
    assert.equal(await client.pttl(name), -1);
    await store.begin('other', 5_000, 'a');
    await store.fail('other', 'a');
    assert.deepEqual(await client.keys(`${prefix}*`), [name]);
  });

  it('keeps stores of different prefixes apart', async () => {
    const client = newClient();
    const [one, two] = ['one:', 'two:'].map((prefix) => redisStore(client, { prefix }));
    assert.equal(await one?.begin('k', 1000, 'a'), 'new');
    assert.equal(await two?.begin('k', 1000, 'b'), 'new');
  });

  it('goes on when the server has forgotten its scripts', async () => {
    const client = newClient();
    const store = redisStore(client);
    const key = randomUUID();
    for (const call of [
      () => store.begin(key, 60_000, 'a'),
      () => store.done(key, 'a'),
      () => store.fail(key, 'a'),
    ]) {
      await client.script('FLUSH');
      await call();
    }
    assert.equal(await store.begin(key, 60_000, 'b'), 'done');
  });

  it('refuses a server that may drop marks, until it no longer does', async () => {
    const client = newClient();
    const wanted = {
      code: 'DUOBUS_REJECTED',
      retryable: false,
      message: /set maxmemory-policy noeviction/,
    };
    for (const policy of ['allkeys-lru', 'volatile-ttl', 'volatile-lru', 'allkeys-random']) {
      await client.config('SET', 'maxmemory-policy', policy);
      const store = redisStore(client);
      await assert.rejects(store.begin(randomUUID(), 1000), wanted);
      await assert.rejects(store.done(randomUUID()), wanted);
      await client.config('SET', 'maxmemory-policy', 'noeviction');
      assert.equal(await store.begin(randomUUID(), 1000), 'new');
    }
  });

  it('says that a full server is one to wait for', async () => {
    const client = newClient();
    const store = redisStore(client);
    await store.begin(randomUUID(), 1000);
    await client.config('SET', 'maxmemory', '1');
    await assert.rejects(store.begin(randomUUID(), 1000), {
      code: 'DUOBUS_UNAVAILABLE',
      retryable: true,
      message: /maxmemory/,
    });
    await client.config('SET', 'maxmemory', '0');
    assert.equal(await store.begin(randomUUID(), 1000), 'new');
  });

  it('says what a user may not do', async () => {
    const client = newClient();
    await client.call('ACL', 'SETUSER', 'reader', 'on', '>reader', '~*', '+info', '+get');
    const reader = new Redis(broker.url, {
      username: 'reader',
      password: 'reader',
      enableReadyCheck: false,
    });
    await assert.rejects(redisStore(reader).begin('k', 1000), {
      code: 'DUOBUS_PERMISSION',
      retryable: false,
    });
    reader.disconnect();
  });

  it('does not wait for ever for a server that does not answer', async () => {
    const store = redisStore(newClient(), { timeoutMs: 100 });
    const key = randomUUID();
    await store.begin(key, 60_000, 'a');
    broker.freeze();
    await assert.rejects(store.done(key, 'a'), {
      code: 'DUOBUS_UNAVAILABLE',
      retryable: true,
      message: /timeoutMs/,
    });
    broker.thaw();
    await until(async () => (await store.begin(key, 60_000, 'b').catch(() => 'away')) === 'done');
  });

  it('keeps documents waiting while the server is away: no attempt is used up', async () => {
    const client = newClient();
    let asked = 0;
    const store = redisStore(
      {
        evalsha: (...all) => {
          asked += 1;
          return client.evalsha(...all);
        },
        eval: (...all) => client.eval(...all),
        info: (section) => client.info(section),
      },
      { timeoutMs: 100 },
    );
    const effects: string[] = [];
    let failed = 0;
    await using bus = await connect('memory:', {
      source: '/test',
      instrument: { event: ({ type }) => void (failed += type === 'failed' ? 1 : 0) },
    });
    const handler = idempotent((order: string) => void effects.push(order), { store, scope: 's' });
    await bus.events.subscribe(orders, 'outage', handler, { concurrency: 3, maxAttempts: 2 });
    await bus.events.publish(orders, 'before');
    await until(() => effects.length === 1);
    await broker.kill9();
    const documents = ['1', '2', '3', '4', '5'];
    await bus.events.publishMany(
      orders,
      documents.map((document) => ({ document })),
    );
    const far = asked + 3 * 4; // three handlers, of two attempts each
    await until(() => asked > far);
    await broker.start();
    await until(async () => (await bus.events.depth(orders, 'outage')).total === 0);
    assert.deepEqual(effects.toSorted(), [...documents, 'before']);
    assert.equal(failed, 0);
  });
});

describe('redisStore on a cluster', () => {
  it('keeps marks on every node, and looks at all of them first', async () => {
    await using broker = await startRedisCluster();
    const [host = '', port = ''] = new URL(broker.url).host.split(':');
    const cluster = new Cluster([{ host, port: Number(port) }]);
    const store = redisStore(cluster);
    const keys = Array.from({ length: 60 }, () => randomUUID());
    for (const key of keys) assert.equal(await store.begin(key, 60_000, 'a'), 'new');
    for (const key of keys) await store.done(key, 'a');
    for (const key of keys) assert.equal(await store.begin(key, 60_000, 'b'), 'done');
    const masters = cluster.nodes('master');
    assert.equal(masters.length, 3);
    for (const master of masters) assert.ok((await master.dbsize()) > 0);
    await masters[2]?.config('SET', 'maxmemory-policy', 'allkeys-lru');
    await assert.rejects(redisStore(cluster).begin('k', 1000), { code: 'DUOBUS_REJECTED' });
    cluster.disconnect();
  });
});
