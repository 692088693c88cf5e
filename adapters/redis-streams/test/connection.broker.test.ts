import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Broker, startBroker } from '@duobus/brokers';
import { BusError } from '@duobus/core/driver';
import { Redis } from 'ioredis';
import { script } from '../src/script.ts';
import { openConnection, soon } from './support/connection.ts';
import {
  appendUntilStored,
  at,
  Consumer,
  eventually,
  makeTopic,
  openLog,
  records,
  statuses,
  textOf,
  textsOf,
} from './support/log.ts';
import { Proxy } from './support/proxy.ts';

const one = script('return 1');
const unavailable = (error: unknown) => BusError.is(error, 'DUOBUS_UNAVAILABLE');
const aborted = async (signal: AbortSignal): Promise<unknown> => {
  if (!signal.aborted)
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  return signal.reason;
};

describe('connection to Redis', () => {
  let broker: Broker;
  let admin: Redis;

  before(async () => {
    broker = await startBroker('redis');
    admin = new Redis(broker.url);
  });
  after(async () => {
    admin.disconnect();
    await broker.stop();
  });

  const proxied = () => Proxy.to('127.0.0.1', Number(new URL(broker.url).port));

  it('stores once what is repeated after its reply was lost', async () => {
    await using proxy = await proxied();
    await using log = await openLog({}, proxy.url);
    const topic = await makeTopic(log);
    await log.append(topic, 0, records(['before']), soon());
    const batch = records(['a', 'b', 'c']);
    const lost = proxy.mute();
    const appending = log.append(topic, 0, batch, soon());
    await lost;
    proxy.cut();
    assert.deepEqual(statuses(await appending), ['unknown']);
    const outcomes = await appendUntilStored(log, topic, batch);
    const places = outcomes.map((outcome) =>
      outcome.status === 'stored' ? outcome.place?.offset : undefined,
    );
    assert.deepEqual(places, [1, 2, 3]);
    await log.append(topic, 0, records(['after']), soon());
    assert.deepEqual(await textsOf(log, topic), ['before', 'a', 'b', 'c', 'after']);
  });

  it('stores calls under way in their order, each once, however the replies are lost', async () => {
    await using proxy = await proxied();
    await using log = await openLog({}, proxy.url);
    const topic = await makeTopic(log);
    const batches = ['a', 'b', 'c', 'd'].map((text) => records([text]));
    const lost = proxy.mute();
    const appending = batches.map((batch) => log.append(topic, 0, batch, soon()));
    await lost;
    proxy.cut();
    await Promise.all(appending);
    // in any order, as timers would have it
    await Promise.all(batches.toReversed().map((batch) => appendUntilStored(log, topic, batch)));
    assert.deepEqual(await textsOf(log, topic), ['a', 'b', 'c', 'd']);
  });

  it('sends nothing again by itself', async () => {
    await using proxy = await proxied();
    await using connection = await openConnection({}, proxy.url);
    const count = script("return redis.call('INCR', KEYS[1])");
    await connection.run('commands', count, ['{t}:again'], []);
    const lost = proxy.mute();
    const running = connection.run('commands', count, ['{t}:again'], []);
    await lost;
    proxy.cut();
    await assert.rejects(running, unavailable);
    await connection.open(soon());
    await connection.run('commands', one, [], []);
    assert.equal(await admin.get('{t}:again'), '2');
  });

  it('is over when the server is silent', async () => {
    await using proxy = await proxied();
    await using connection = await openConnection(
      { silenceMs: 1_000, waitTimeoutMs: 500 },
      proxy.url,
    );
    const { ended } = connection;
    void proxy.mute();
    // nobody asks anything: it is found out all the same
    assert.ok(unavailable(await aborted(ended)));
    proxy.cut();
    await connection.open(soon());
    assert.equal(await connection.run('commands', one, [], []), 1);
  });

  it('has no connection more for a hundred members', async () => {
    await using proxy = await proxied();
    await using log = await openLog({}, proxy.url);
    const topic = await makeTopic(log);
    await using members = new AsyncDisposableStack();
    const consumers = await Promise.all(
      Array.from({ length: 100 }, (_, at) => Consumer.join(log, topic, `g${at}`)),
    );
    for (const consumer of consumers) members.use(consumer);
    await Promise.all(consumers.map((consumer) => consumer.untilOwner(1)));
    await log.append(topic, 0, records(['a']), soon());
    await Promise.all(consumers.map((each) => each.until(() => each.texts.length > 0, 'a')));
    assert.equal(proxy.accepted, 3);
  });

  it('keeps what works and replaces what broke', async () => {
    await using connection = await openConnection({}, broker.url);
    const { commands, publishing, ended } = connection;
    await connection.open(soon());
    assert.equal(connection.commands, commands);
    assert.equal(ended.aborted, false);
    publishing.disconnect();
    await eventually(
      async () => publishing.status,
      (status) => status === 'end',
    );
    assert.throws(() => connection.publishing, unavailable);
    assert.equal(ended.aborted, false);
    await connection.open(soon());
    assert.equal(connection.commands, commands);
    assert.notEqual(connection.publishing, publishing);
  });

  it('is over with its bells, and listens again after `open`', async () => {
    await using connection = await openConnection({}, broker.url);
    const heard: string[] = [];
    const hush = connection.listen('bells', (message) => heard.push(message));
    const heardOf = (message: string) =>
      eventually(
        async () => heard.splice(0),
        (all) => all.includes(message),
      );
    await heardOf('');
    await admin.publish('bells', '1');
    await heardOf('1');
    const { ended } = connection;
    await admin.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    assert.ok(unavailable(await aborted(ended)));
    await connection.open(soon());
    await heardOf('');
    await admin.publish('bells', '2');
    await heardOf('2');
    hush();
    await eventually(
      () => admin.pubsub('NUMSUB', 'bells'),
      ([, count]) => count === 0,
    );
  });

  it('brings its scripts again to a server that has forgotten them', async () => {
    await using log = await openLog({}, broker.url);
    const topic = await makeTopic(log);
    await log.append(topic, 0, records(['a']), soon());
    await admin.script('FLUSH', 'SYNC');
    assert.deepEqual(statuses(await log.append(topic, 0, records(['b']), soon())), ['stored']);
    assert.deepEqual(await textsOf(log, topic), ['a', 'b']);
  });

  it('passes nothing over while scripts are forgotten and records come', async () => {
    await using log = await openLog({}, broker.url);
    await using other = await openLog({}, broker.url);
    const topic = await makeTopic(log);
    const wanted = Array.from({ length: 300 }, (_, n) => String(n));
    const appending = (async () => {
      for (const text of wanted) await appendUntilStored(other, topic, records([text]));
    })();
    const texts: string[] = [];
    for (let place = at(0); texts.length < wanted.length; ) {
      await admin.script('FLUSH', 'SYNC');
      const limits = { maxBytes: 1_000_000, maxWaitMs: 0 };
      const found = await log.read(topic, 0, place, limits, soon());
      texts.push(...found.records.map(textOf));
      place = found.next;
    }
    await appending;
    assert.deepEqual(texts, wanted);
  });

  it('ends members with the connection, and they can join again', async () => {
    await using proxy = await proxied();
    await using log = await openLog({}, proxy.url);
    const topic = await makeTopic(log);
    await using consumer = await Consumer.join(log, topic);
    await consumer.untilOwner(1);
    proxy.cut();
    await consumer.until(() => consumer.ofType('lost').length === 1, 'lost');
    await log.open(soon());
    await consumer[Symbol.asyncDispose]();
    await using again = await Consumer.join(log, topic);
    await again.untilOwner(1);
  });

  it('refuses work before it is open and after it is closed', async () => {
    await using connection = await openConnection({}, broker.url);
    await connection.close();
    await connection.close();
    await assert.rejects(connection.run('commands', one, [], []), (error) =>
      BusError.is(error, 'DUOBUS_CLOSED'),
    );
    await assert.rejects(connection.open(soon()), (error) => BusError.is(error, 'DUOBUS_CLOSED'));
  });

  it('says what is wrong when there is nobody, and keeps to its signal', async () => {
    const nobody = await proxied();
    const { url } = nobody;
    await nobody[Symbol.asyncDispose]();
    await assert.rejects(
      openConnection({}, url),
      (error) => unavailable(error) && /ECONNREFUSED/.test((error as Error).message),
    );
    await using mute = await proxied();
    void mute.mute();
    const signal = AbortSignal.timeout(100);
    await assert.rejects(openConnection({}, mute.url, signal), (error) => error === signal.reason);
  });
});
