import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { nodeUrls, startBroker, testUrl } from '@duobus/brokers';
import { BusError } from '@duobus/core/driver';
import { connect } from 'amqplib';
import { exchangeName, queuesOf } from '../src/topology.ts';
import {
  consume,
  eventually,
  openDriver,
  publish,
  soon,
  subscription,
  wantedTopic,
} from './support/driver.ts';

describe('topics and subscriptions', { concurrency: 4 }, () => {
  it('are created once by many at a time, who all get the same record', async () => {
    await using one = await openDriver();
    await using two = await openDriver();
    const wanted = wantedTopic();
    const racers = Array.from({ length: 10 }, (_, index) => (index % 2 === 0 ? one : two));
    const stored = await Promise.all(
      racers.map((driver) =>
        driver.ensureTopic({ ...wanted, incarnation: randomUUID() }, 'create', soon()),
      ),
    );
    assert.equal(new Set(stored.map(({ incarnation }) => incarnation)).size, 1);
    const topic = stored[0] as (typeof stored)[0];
    const answers = await Promise.all(
      racers.map((driver) => driver.ensureSubscription(topic, 'sub', 'create', soon())),
    );
    assert.deepEqual(answers.toSorted(), [
      'created',
      ...Array.from({ length: 9 }, () => 'existed'),
    ]);
    assert.deepEqual(await two.topics([wanted.name], soon()), [topic]);
    assert.deepEqual(await two.names(topic, soon()), ['sub']);
    await one.removeSubscription(topic, 'sub', soon());
    assert.deepEqual(await two.names(topic, soon()), []);
    await one.removeSubscription(topic, 'sub', soon());
  });

  it('leave what a subscription holds when it is ensured again', async () => {
    await using driver = await openDriver();
    await using sub = await subscription(driver);
    await publish(driver, sub.topic, 0, 'a');
    assert.equal(await driver.ensureSubscription(sub.topic, 'sub', 'create', soon()), 'existed');
    assert.equal((await driver.inspect(sub.topic, 'sub', soon())).ready, 1);
  });

  it('are altered by compare and set', async () => {
    await using one = await openDriver();
    await using two = await openDriver();
    await using sub = await subscription(one, 'key', 1);
    const changes = [
      { ...sub.topic, partitions: 2 },
      { ...sub.topic, partitions: 3 },
    ];
    const outcomes = await Promise.allSettled(
      changes.map((next, index) => (index === 0 ? one : two).alterTopic(sub.topic, next, soon())),
    );
    const [stored] = await one.topics([sub.topic.name], soon());
    const won = outcomes.filter(({ status }) => status === 'fulfilled');
    const lost = outcomes.find((outcome) => outcome.status === 'rejected');
    assert.equal(won.length, 1);
    assert.ok(BusError.is(lost?.reason, 'DUOBUS_CONFLICT'));
    assert.ok(stored !== undefined && stored.partitions > 1);
    await publish(one, stored, stored.partitions - 1, 'a');
    assert.equal((await one.inspect(stored, 'sub', soon())).ready, 1);
    await one.removeSubscription(stored, 'sub', soon());
  });

  it('have queues for new partitions in every subscription, made before, during or after', async () => {
    await using one = await openDriver();
    await using two = await openDriver();
    for (let round = 0; round < 3; round += 1) {
      const topic = await one.ensureTopic(wantedTopic('key', 1), 'create', soon());
      const names = ['a', 'b', 'c', 'd'];
      await one.ensureSubscription(topic, 'a', 'create', soon());
      const [altered] = await Promise.all([
        two.alterTopic(topic, { ...topic, partitions: 3 }, soon()),
        ...['b', 'c', 'd'].map((name) => one.ensureSubscription(topic, name, 'create', soon())),
      ]);
      await publish(two, altered, 2, 'x');
      for (const name of names) {
        assert.equal((await one.inspect(altered, name, soon())).ready, 1, name);
        await one.removeSubscription(altered, name, soon());
      }
    }
  });

  it('are named by check mode when they are missing, which makes nothing', async () => {
    await using driver = await openDriver();
    const wanted = wantedTopic();
    await assert.rejects(
      () => driver.ensureTopic(wanted, 'check', soon()),
      (error) => BusError.is(error, 'DUOBUS_NOT_FOUND') && error.message.includes(wanted.name),
    );
    assert.deepEqual(await driver.topics([wanted.name], soon()), []);
    const topic = await driver.ensureTopic(wanted, 'create', soon());
    assert.deepEqual(await driver.ensureTopic(wanted, 'check', soon()), topic);
    await assert.rejects(
      () => driver.ensureSubscription(topic, 'gone', 'check', soon()),
      (error) => BusError.is(error, 'DUOBUS_NOT_FOUND') && error.message.includes("'gone'"),
    );
    await assert.rejects(() => driver.consume(topic, 'gone', 'main', 1, soon()), {
      code: 'DUOBUS_NOT_FOUND',
    });
    await assert.rejects(() => driver.consume(topic, 'gone', 'dead', 1, soon()), {
      code: 'DUOBUS_NOT_FOUND',
    });
    await assert.rejects(() => driver.inspect(topic, 'gone', soon()), { code: 'DUOBUS_NOT_FOUND' });
    await driver.ensureSubscription(topic, 'gone', 'create', soon());
    assert.equal(await driver.ensureSubscription(topic, 'gone', 'check', soon()), 'existed');
    const connection = await connect(nodeUrls(testUrl('rabbitmq'))[0]);
    const channel = await connection.createChannel();
    await channel.deleteQueue(queuesOf(topic, 'gone').dead);
    await assert.rejects(
      () => driver.ensureSubscription(topic, 'gone', 'check', soon()),
      (error) =>
        BusError.is(error, 'DUOBUS_NOT_FOUND') &&
        error.message.includes(queuesOf(topic, 'gone').dead),
    );
    await channel.deleteExchange(exchangeName(topic.name));
    await assert.rejects(
      () => driver.ensureTopic(wanted, 'check', soon()),
      (error) =>
        BusError.is(error, 'DUOBUS_NOT_FOUND') && error.message.includes(exchangeName(topic.name)),
    );
    await connection.close();
    await driver.removeSubscription(topic, 'gone', soon());
  });

  it('end a consumer elsewhere with gone when its subscription is removed', async () => {
    for (const order of ['none', 'key'] as const) {
      await using driver = await openDriver();
      await using other = await openDriver();
      await using sub = await subscription(driver, order, 2);
      const reader = await consume(other, sub.topic);
      await driver.removeSubscription(sub.topic, 'sub', soon());
      await reader.until(({ events }) => events.some(({ type }) => type === 'gone'));
      assert.ok(reader.events.every(({ type }) => type !== 'lost'));
    }
  });

  it('delete everything they have in the broker', async () => {
    await using broker = await startBroker('rabbitmq');
    await using driver = await openDriver({ url: broker.url });
    const list = async (): Promise<readonly string[]> =>
      (await broker.ctl('list_queues', '--quiet', '--no-table-headers', 'name'))
        .split('\n')
        .filter((line) => line.startsWith('duobus.event:'));
    assert.deepEqual(await driver.topics(undefined, soon()), []);
    await assert.rejects(() => driver.ensureTopic(wantedTopic(), 'check', soon()), {
      code: 'DUOBUS_NOT_FOUND',
    });
    assert.equal(
      (await broker.ctl('list_queues', '--quiet', '--no-table-headers', 'name')).trim(),
      '',
      'check mode made nothing',
    );
    for (const order of ['none', 'key'] as const) {
      await using sub = await subscription(driver, order, 2);
      await publish(driver, sub.topic, 0, 'a');
      const reader = await consume(driver, sub.topic);
      await reader.take(1);
      await reader.member.settle([
        { token: reader.find('a').token, verdict: 'again', delayMs: 60_000, state: 's' },
      ]);
      await reader.member.close();
      assert.equal((await driver.inspect(sub.topic, 'sub', soon())).delayed, 1);
      assert.ok((await list()).length > 3);
    }
    assert.deepEqual(await eventually(list, (queues) => queues.length === 0), []);
  });
});
