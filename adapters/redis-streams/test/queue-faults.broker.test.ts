import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Broker, startBroker } from '@duobus/brokers';
import { BusError } from '@duobus/core/driver';
import { soon } from './support/connection.ts';
import { Proxy } from './support/proxy.ts';
import {
  client,
  consume,
  eventually,
  idOf,
  openDriver,
  patiently,
  publish,
  records,
  subscription,
  untilEmpty,
} from './support/queues.ts';

describe('queues on a Redis that fails', () => {
  let broker: Broker;

  before(async () => void (broker = await startBroker('redis')));
  after(() => broker.stop());

  const proxy = (): Promise<Proxy> => Proxy.to('127.0.0.1', Number(new URL(broker.url).port));

  it('stores once what is published again after its reply was lost', async () => {
    await using between = await proxy();
    await using direct = await openDriver({}, broker.url);
    await using driver = await openDriver({}, between.url);
    await using made = await subscription(direct);
    const { topic } = made;
    await publish(driver, topic, 0, 'first');
    const batch = records('a', 'b');
    const lost = between.mute();
    const publishing = driver.publish(topic, 0, batch, soon());
    await lost;
    between.cut();
    assert.deepEqual(
      (await publishing).map(({ status }) => status),
      ['unknown', 'unknown'],
    );
    const refused = await driver.publish(topic, 0, batch, soon());
    assert.ok(
      refused.every(({ status }) => status === 'rejected'),
      'not connected',
    );
    await driver.open(soon());
    const again = await driver.publish(topic, 0, batch, soon());
    assert.deepEqual(
      again.map(({ status }) => status),
      ['stored', 'stored'],
    );
    await publish(driver, topic, 0, 'last');
    const reader = await consume(direct, topic);
    await reader.take(4);
    assert.deepEqual(reader.ids, ['first', 'a', 'b', 'last']);
    await reader.done(...reader.leased);
    await reader.member.close();
    await untilEmpty(direct, topic);
  });

  it('hands out again at once what was read and never arrived', async () => {
    await using between = await proxy();
    await using direct = await openDriver({}, broker.url);
    await using driver = await openDriver({ leaseMs: 600_000 }, between.url);
    await using made = await subscription(direct);
    const { topic } = made;
    const reader = await consume(driver, topic, 'main', 1);
    await publish(direct, topic, 0, 'warm', 'a', 'b');
    await reader.take(1);
    const lost = between.mute();
    // with its credit free again it reads, right behind what it settles
    const settling = assert.rejects(reader.done(reader.find('warm')));
    await lost;
    await eventually(
      () => direct.inspect(topic, 'sub', soon()),
      ({ ready, leased }) => ready === 1 && leased === 1,
    );
    between.cut();
    await reader.until(({ events }) => events.some(({ type }) => type === 'lost'));
    await settling;
    await reader.member.close();
    await driver.open(soon());
    const next = await consume(driver, topic);
    await next.take(2);
    assert.deepEqual(next.leased.map(idOf), ['a', 'b']);
    await next.done(...next.leased);
    await next.member.close();
    await untilEmpty(direct, topic);
  });

  it('says that a settlement may have failed when its reply is lost, and ends the consumer', async () => {
    await using between = await proxy();
    await using direct = await openDriver({}, broker.url);
    await using driver = await openDriver({}, between.url);
    await using made = await subscription(direct);
    const { topic } = made;
    await publish(direct, topic, 0, 'a');
    const reader = await consume(driver, topic);
    await reader.take(1);
    const lost = between.mute();
    const settling = reader.done(reader.find('a'));
    await lost;
    between.cut();
    await assert.rejects(settling, (error) => BusError.is(error, 'DUOBUS_UNAVAILABLE'));
    await reader.until(({ events }) => events.some(({ type }) => type === 'lost'));
    await reader.member.close();
    await driver.open(soon());
  });

  it('refuses documents when its memory is full, and lets the ones it has be settled', async () => {
    await using driver = await openDriver({}, broker.url);
    await using made = await subscription(driver);
    const { topic } = made;
    await driver.ensureSubscription(topic, 'other', 'create', soon());
    await publish(driver, topic, 0, 'a', 'b', 'c', 'd');
    const reader = await consume(driver, topic);
    await reader.take(4);
    const other = await driver.consume(topic, 'other', 'main', 4, soon());
    const [event] = await other.receive(soon());
    assert.ok(event?.type === 'records');
    await client(driver).config('SET', 'maxmemory', '1');
    try {
      const outcomes = await driver.publish(topic, 0, records('e', 'f'), soon());
      for (const outcome of outcomes) {
        assert.ok(outcome.status === 'rejected');
        assert.ok(outcome.error.retryable);
        assert.match(outcome.error.message, /maxmemory/);
      }
      assert.equal(await reader.member.note(reader.find('a').token, 'noted'), 'kept');
      assert.deepEqual(
        await reader.member.settle([
          { token: reader.find('a').token, verdict: 'done' },
          { token: reader.find('b').token, verdict: 'again', delayMs: 0, state: 's' },
          { token: reader.find('c').token, verdict: 'dead', state: 's' },
          { token: reader.find('d').token, verdict: 'back', state: 's' },
        ]),
        ['settled', 'settled', 'settled', 'settled'],
      );
      await other.settle(event.records.map(({ token }) => ({ token, verdict: 'done' })));
      await reader.take(6);
      await reader.done(reader.find('b'), reader.find('d'));
    } finally {
      await client(driver).config('SET', 'maxmemory', '0');
    }
    assert.equal((await driver.inspect(topic, 'sub', soon())).dead, 1);
    await publish(driver, topic, 0, 'g');
    await reader.take(7);
    await reader.done(reader.find('g'));
    await reader.member.close();
    await other.close();
    await driver.removeSubscription(topic, 'other', soon());
  });

  it('ends a consumer whose server is silent, and closes it in time', async () => {
    await using driver = await openDriver(
      { silenceMs: 1_000, waitTimeoutMs: 500, leaseMs: 3_000 },
      broker.url,
    );
    await using made = await subscription(driver);
    const reader = await consume(driver, made.topic);
    broker.freeze();
    try {
      await reader.until(({ events }) => events.some(({ type }) => type === 'lost'));
      const from = performance.now();
      await reader.member.close();
      assert.ok(performance.now() - from < 5_000);
    } finally {
      broker.thaw();
    }
    await patiently(driver, async () => undefined);
  });

  it('takes no more memory after many documents than before', async () => {
    await using driver = await openDriver({}, broker.url);
    await using made = await subscription(driver);
    const { topic } = made;
    await driver.ensureSubscription(topic, 'second', 'create', soon());
    const usage = (): Promise<number | null> =>
      client(driver).memory('USAGE', `{duobus:e:${topic.name}}:log:0`, 'SAMPLES', 0);
    const pass = async (documents: number): Promise<void> => {
      const readers = await Promise.all(
        ['sub', 'second'].map((name) => driver.consume(topic, name, 'main', 500, soon())),
      );
      const consuming = readers.map(async (member) => {
        for (let left = documents; left > 0; ) {
          for (const event of await member.receive(soon(60_000))) {
            if (event.type !== 'records') continue;
            left -= event.records.length;
            await member.settle(event.records.map(({ token }) => ({ token, verdict: 'done' })));
          }
        }
        await member.close();
      });
      const batch = records(...Array.from({ length: 500 }, (_, at) => `n${at}`));
      for (let n = 0; n < documents; n += 500) await driver.publish(topic, 0, [...batch], soon());
      await Promise.all(consuming);
    };
    await pass(1_000);
    const before = (await usage()) ?? 0;
    await pass(20_000);
    assert.equal(await client(driver).xlen(`{duobus:e:${topic.name}}:log:0`), 0);
    assert.ok(((await usage()) ?? 0) <= before + 1_024, 'the stream has given back its nodes');
    assert.equal(await client(driver).exists(`{duobus:e:${topic.name}}:acks:0`), 0);
    await driver.removeSubscription(topic, 'second', soon());
  });
});
