import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { type Broker, startBroker } from '@duobus/brokers';
import { BusError } from '@duobus/core/driver';
import { rabbitmq } from '../src/index.ts';
import {
  consume,
  eventually,
  idOf,
  openDriver,
  patiently,
  publish,
  records,
  soon,
  subscription,
  wantedTopic,
} from './support/driver.ts';

const range = (from: number, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `id-${from + index}`);

describe('a broker in trouble', () => {
  let broker: Broker;
  before(async () => {
    broker = await startBroker('rabbitmq', { tls: true });
  });
  after(() => broker.stop());

  it('is reached over TLS that is checked', async () => {
    const { tls } = broker.endpoints;
    assert.ok(tls !== undefined && broker.ca !== undefined);
    await using driver = await openDriver({ url: tls, tls: { caFile: broker.ca } });
    await driver.ensureTopic(wantedTopic(), 'create', soon());
    await using same = await openDriver({ url: tls, tls: { ca: readFileSync(broker.ca) } });
    assert.ok(same.native.consumeConnection !== undefined);
    await assert.rejects(
      () => openDriver({ url: tls }),
      (error) => BusError.is(error, 'DUOBUS_PERMISSION') && error.message.includes('certificate'),
    );
  });

  it('refuses wrong credentials with an error that does not repeat them', async () => {
    const url = new URL(broker.url);
    url.username = 'somebody';
    url.password = 'hunter2';
    await assert.rejects(
      () => openDriver({ url: url.href }),
      (error) => {
        assert.ok(BusError.is(error, 'DUOBUS_PERMISSION'));
        assert.ok(!error.retryable);
        assert.ok(
          !JSON.stringify([error.message, error.context, String(error.cause)]).includes('hunter2'),
        );
        return true;
      },
    );
    await assert.rejects(
      () => openDriver({ url: broker.url, vhost: 'nowhere' }),
      (error) => BusError.is(error, 'DUOBUS_PERMISSION') && error.message.includes('nowhere'),
    );
  });

  it('refuses what a user may not do', async () => {
    await broker.ctl('add_user', 'reader', 'secret');
    await broker.ctl('set_permissions', 'reader', '^$', '^$', '.*');
    await using driver = await openDriver({
      url: broker.url,
      username: 'reader',
      password: 'secret',
    });
    await assert.rejects(() => driver.ensureTopic(wantedTopic(), 'create', soon()), {
      code: 'DUOBUS_PERMISSION',
    });
  });

  it('is unavailable, retryably, when nobody listens', async () => {
    const error = await openDriver({ url: 'amqp://127.0.0.1:1' }).catch(
      (caught: unknown) => caught,
    );
    assert.ok(BusError.is(error, 'DUOBUS_UNAVAILABLE') && error.retryable);
  });

  it('lets publishes wait while an alarm is on, in order, and reports what was never sent as rejected', async () => {
    await using driver = await openDriver({ url: broker.url });
    await using sub = await subscription(driver);
    await publish(driver, sub.topic, 0, 'before');
    const reader = await consume(driver, sub.topic);
    const [first] = await reader.take(1);
    await broker.ctl('set_vm_memory_high_watermark', '0.00001');
    // the first publish after the alarm is what makes the broker say so
    const written = driver.publish(sub.topic, 0, records('written'), soon());
    const blocked = new Promise<void>((resolve) =>
      driver.native.publishConnection?.on('blocked', resolve as never),
    );
    await blocked;
    const given = new AbortController();
    const never = driver.publish(sub.topic, 0, records('never'), given.signal);
    const later = [1, 2, 3].map((at) =>
      driver.publish(sub.topic, 0, records(`later-${at}`), soon()),
    );
    given.abort();
    const [rejected] = await never;
    assert.ok(rejected?.status === 'rejected' && BusError.is(rejected.error, 'DUOBUS_TIMEOUT'));
    assert.match(rejected.error.message, /alarm/);
    assert.deepEqual(await reader.done(first as never), ['settled'], 'consuming goes on');
    await broker.ctl('set_vm_memory_high_watermark', '0.6');
    assert.deepEqual(
      (await Promise.all([written, ...later])).flat().map(({ status }) => status),
      Array.from({ length: 4 }, () => 'stored'),
    );
    await reader.take(5);
    assert.deepEqual(reader.ids.slice(1), ['written', 'later-1', 'later-2', 'later-3']);
    await reader.done(...reader.leased.slice(1));
    await reader.member.close();
  });

  it('leaves what was written before an alarm unknown when the caller gives up', async () => {
    await using driver = await openDriver({ url: broker.url });
    const topic = await driver.ensureTopic(wantedTopic(), 'create', soon());
    await broker.ctl('set_vm_memory_high_watermark', '0.00001');
    const given = new AbortController();
    const outcomes = driver.publish(topic, 0, records('a'), given.signal);
    await new Promise<void>((resolve) =>
      driver.native.publishConnection?.on('blocked', resolve as never),
    );
    given.abort();
    assert.equal((await outcomes)[0]?.status, 'unknown');
    await broker.ctl('set_vm_memory_high_watermark', '0.6');
  });

  it('is closed within seconds while it does not answer', async () => {
    const driver = await openDriver({ url: broker.url });
    const topic = await driver.ensureTopic(wantedTopic('key', 2), 'create', soon());
    await driver.ensureSubscription(topic, 'sub', 'create', soon());
    const reader = await consume(driver, topic);
    await reader.until(() => reader.partitions('assigned').length === 2);
    broker.freeze();
    try {
      const since = performance.now();
      const publishing = driver.publish(topic, 0, records('a'), soon());
      const asking = driver.names(topic, soon()).catch((error: unknown) => error);
      await Promise.all([reader.member.close(), driver.close()]);
      assert.equal((await publishing)[0]?.status, 'unknown');
      assert.ok(BusError.is(await asking));
      const took = performance.now() - since;
      assert.ok(took < 8000, `took ${took} ms`);
      await assert.rejects(() => driver.open(soon()), { code: 'DUOBUS_CLOSED' });
      await assert.rejects(() => driver.names(topic, soon()), { code: 'DUOBUS_CLOSED' });
    } finally {
      broker.thaw();
    }
  });

  it('loses nothing it has confirmed when it is killed while publishing, and members say lost', async () => {
    await using driver = await openDriver({ url: broker.url });
    await using sub = await subscription(driver);
    const reader = await consume(driver, sub.topic, 'main', 10);
    await publish(driver, sub.topic, 0, 'first');
    const [first] = await reader.take(1);
    const stored: string[] = [];
    const failed: BusError[] = [];
    let killed = false;
    const publishing = (async () => {
      for (let at = 0; failed.length === 0; at += 100) {
        const ids = range(at, 100);
        const outcomes = await driver.publish(sub.topic, 0, records(...ids), soon());
        for (const [index, outcome] of outcomes.entries()) {
          if (outcome.status === 'stored') stored.push(ids[index] as string);
          else failed.push(outcome.error);
        }
      }
    })();
    await eventually(
      () => Promise.resolve(stored.length),
      (count) => count > 1000,
    );
    await broker.kill9();
    killed = true;
    await publishing;
    assert.ok(
      killed &&
        failed.every((error) => BusError.is(error, 'DUOBUS_UNAVAILABLE') && error.retryable),
    );
    await reader.until(({ events }) => events.some(({ type }) => type === 'lost'), 60_000);
    assert.deepEqual(await reader.done(first as never), ['lost']);
    assert.equal(
      (
        (await driver
          .publish(sub.topic, 0, records('down'), soon())
          .catch((error: unknown) => error)) as BusError
      ).code,
      'DUOBUS_UNAVAILABLE',
    );
    await assert.rejects(() => driver.open(soon()), { code: 'DUOBUS_UNAVAILABLE' });
    await broker.start();
    const again = await patiently(driver, () => consume(driver, sub.topic, 'main', 60_000));
    await patiently(driver, () => publish(driver, sub.topic, 0, 'sentinel'));
    await again.until(() => again.ids.includes('sentinel'), 60_000);
    const seen = new Set(again.ids);
    assert.deepEqual(
      stored.filter((id) => !seen.has(id)),
      [],
    );
    assert.ok(seen.has('first'));
    assert.deepEqual(await patiently(driver, () => driver.names(sub.topic, soon())), ['sub']);
    await again.member.close();
  });

  it('hands out in order by key after it was killed, whatever its owners held', async () => {
    await using driver = await openDriver({ url: broker.url });
    await using sub = await subscription(driver, 'key', 1);
    await publish(driver, sub.topic, 0, ...range(0, 60));
    for (const credit of [40, 5]) {
      const owner = await patiently(driver, () => consume(driver, sub.topic, 'main', credit));
      await owner.take(credit);
      assert.deepEqual(owner.ids, range(0, credit));
      await broker.kill9();
      await owner.until(({ events }) => events.some(({ type }) => type === 'lost'), 60_000);
      await broker.start();
    }
    const last = await patiently(driver, () => consume(driver, sub.topic));
    await last.take(60);
    assert.deepEqual(last.ids, range(0, 60));
    await last.member.close();
  });

  it('keeps what works when one of two connections breaks', async () => {
    await using driver = await openDriver({ url: broker.url });
    await using sub = await subscription(driver);
    const reader = await consume(driver, sub.topic);
    const { publishConnection, consumeConnection } = driver.native;
    await publishConnection?.close();
    assert.equal(
      (
        (await driver
          .publish(sub.topic, 0, records('a'), soon())
          .catch((error: unknown) => error)) as BusError
      ).code,
      'DUOBUS_UNAVAILABLE',
    );
    await driver.open(soon());
    assert.equal(driver.native.consumeConnection, consumeConnection);
    assert.notEqual(driver.native.publishConnection, publishConnection);
    await publish(driver, sub.topic, 0, 'a');
    await reader.take(1);
    assert.deepEqual(
      reader.events.filter(({ type }) => type !== 'records'),
      [],
    );
    await reader.member.close();
  });

  it('rejects a document for a deleted exchange without harm to a retry', async () => {
    const { queue: driver } = rabbitmq({ url: broker.url });
    assert.ok(driver !== undefined);
    await driver.open(soon());
    const [topic, gone] = await Promise.all(
      [wantedTopic(), wantedTopic()].map((wanted) => driver.ensureTopic(wanted, 'create', soon())),
    );
    const channel = (await driver.native.consumeConnection?.createChannel()) as {
      deleteExchange?: (name: string) => Promise<unknown>;
      close(): Promise<void>;
    };
    await channel.deleteExchange?.(`duobus.event:${gone?.name}`);
    await channel.close();
    const [outcome] = await driver.publish(gone as never, 0, records('a'), soon());
    assert.ok(outcome?.status === 'rejected' && BusError.is(outcome.error, 'DUOBUS_NOT_FOUND'));
    await driver.open(soon());
    assert.equal(
      (await driver.publish(topic as never, 0, records('a'), soon()))[0]?.status,
      'stored',
    );
    await driver.close();
  });

  it('rejects a document whose headers are too large, and stores its neighbours', async () => {
    await using driver = await openDriver({ url: broker.url });
    const topic = await driver.ensureTopic(wantedTopic(), 'create', soon());
    const [a, large, b] = records('a', 'large', 'b');
    const oversize = {
      ...large,
      headers: { ...large?.headers, 'cloudEvents:subject': 'x'.repeat(70_000) },
    };
    const outcomes = await driver.publish(topic, 0, [a, oversize, b] as never, soon());
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['stored', 'rejected', 'stored'],
    );
    assert.ok(
      outcomes[1]?.status === 'rejected' && BusError.is(outcomes[1].error, 'DUOBUS_TOO_LARGE'),
    );
  });
});

describe('a broker with a short consumer timeout', () => {
  it('does not take a partition from an idle owner, nor the notes it keeps', async () => {
    await using broker = await startBroker('rabbitmq');
    await broker.ctl(
      'eval',
      'application:set_env(rabbit, consumer_timeout, 6000), application:set_env(rabbit, channel_tick_interval, 1000).',
    );
    await using driver = await openDriver({ url: broker.url, consumerTimeoutMs: 6000 });
    await using sub = await subscription(driver, 'key', 2);
    const reader = await consume(driver, sub.topic);
    await reader.until(() => reader.partitions('assigned').length === 2);
    const since = Date.now();
    let at = 0;
    // what is leased stays below the timeout, while tokens are held for three times as long
    while (Date.now() - since < 18_000) {
      await publish(driver, sub.topic, 0, `id-${(at += 1)}`);
      await reader.take(at);
      const leased = reader.find(`id-${at}`);
      assert.equal(await reader.member.note(leased.token, 'once'), 'kept');
      await new Promise((resolve) => setTimeout(resolve, 2500));
      assert.deepEqual(await reader.done(leased), ['settled']);
    }
    assert.deepEqual([...new Set(reader.events.map(({ type }) => type))].toSorted(), [
      'assigned',
      'records',
    ]);
    // And the timeout is real: a document that stays with its handler for too long is taken back. In the other partition:
    // where something is settled at the same time 4.3 may forget the timer of what comes next, and look no more.
    await publish(driver, sub.topic, 1, 'kept');
    await reader.until(({ events }) => events.some(({ type }) => type === 'lost'), 60_000);
    await reader.member.close();
    const next = await consume(driver, sub.topic);
    await next.take(1);
    assert.deepEqual(
      next.leased.map((leased) => [idOf(leased), leased.redelivered]),
      [['kept', true]],
    );
    await next.done(...next.leased);
    await next.member.close();
  });
});
