import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BusError } from '@duobus/core/driver';
import { connect } from 'amqplib';
import { nodeUrls, testUrl } from '@duobus/brokers';
import { exchangeName } from '../src/topology.ts';
import {
  consume,
  eventually,
  idOf,
  openDriver,
  publish,
  record,
  records,
  soon,
  subscription,
  wantedTopic,
  untilEmpty,
} from './support/driver.ts';

const range = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `id-${index}`);

describe('the queue driver', { concurrency: 4 }, () => {
  it('hands out what was published, in order, with attributes, content type and bytes as they were', async () => {
    await using driver = await openDriver();
    await using sub = await subscription(driver);
    const body = '{"größe":1}';
    await driver.publish(
      sub.topic,
      0,
      [record('a', { 'cloudEvents:subject': 'Übung' }, body), record('b')],
      soon(),
    );
    const reader = await consume(driver, sub.topic);
    const [a, b] = await reader.take(2);
    assert.ok(a !== undefined && b !== undefined);
    assert.equal(Buffer.from(a.body ?? []).toString(), body);
    assert.equal(a.headers['cloudEvents:subject'], 'Übung');
    assert.equal(a.headers['content-type'], 'application/json');
    assert.equal(a.redelivered, false);
    assert.equal(a.state, undefined);
    assert.equal(driver.binding.decode(a).attributes.id, 'a');
    assert.equal(idOf(b), 'b');
    assert.deepEqual(await reader.done(a, b), ['settled', 'settled']);
    await reader.member.close();
    await untilEmpty(driver, sub.topic);
  });

  it('gives every subscription its own copy and none to those made later', async () => {
    await using driver = await openDriver();
    await using sub = await subscription(driver);
    await driver.ensureSubscription(sub.topic, 'other', 'create', soon());
    await publish(driver, sub.topic, 0, 'one');
    await driver.ensureSubscription(sub.topic, 'late', 'create', soon());
    const ready = async (name: string): Promise<number> =>
      (await driver.inspect(sub.topic, name, soon())).ready;
    assert.deepEqual([await ready('sub'), await ready('other'), await ready('late')], [1, 1, 0]);
    assert.deepEqual((await driver.names(sub.topic, soon())).toSorted(), ['late', 'other', 'sub']);
    await driver.removeSubscription(sub.topic, 'other', soon());
    await driver.removeSubscription(sub.topic, 'late', soon());
    assert.deepEqual(await driver.names(sub.topic, soon()), ['sub']);
  });

  it('confirms a document that nobody has subscribed to', async () => {
    await using driver = await openDriver();
    const topic = await driver.ensureTopic(wantedTopic(), 'create', soon());
    const outcomes = await driver.publish(topic, 0, records('a', 'b'), soon());
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['stored', 'stored'],
    );
  });

  it('keeps the order of overlapping publishes', async () => {
    await using driver = await openDriver();
    await using sub = await subscription(driver);
    const ids = range(2000);
    const calls: Promise<void>[] = [];
    for (let at = 0; at < ids.length; at += 50)
      calls.push(publish(driver, sub.topic, 0, ...ids.slice(at, at + 50)));
    await Promise.all(calls);
    const reader = await consume(driver, sub.topic, 'main', 5000);
    await reader.take(ids.length);
    assert.deepEqual(reader.ids, ids);
    await reader.member.close();
  });

  it('acknowledges exactly what is done, whatever the order of settling', async () => {
    await using driver = await openDriver();
    await using sub = await subscription(driver);
    const ids = range(300);
    await publish(driver, sub.topic, 0, ...ids);
    const reader = await consume(driver, sub.topic, 'main', 300);
    const leased = await reader.take(300);
    const undone = new Set([0, 7, 8, 150, 298]);
    const done = leased.filter((_, index) => !undone.has(index));
    // from both ends, so that some go one by one and some with an acknowledgement of all before
    for (const batch of [done.slice(200), done.slice(0, 50).toReversed(), done.slice(50, 200)])
      await reader.done(...batch);
    await reader.member.close();
    const again = await consume(driver, sub.topic, 'main', 300);
    const left = [...undone].map((index) => `id-${index}`);
    await again.take(left.length);
    assert.deepEqual(again.ids, left);
    assert.ok(again.leased.every(({ redelivered }) => redelivered));
    await again.done(...again.leased);
    await again.member.close();
    await untilEmpty(driver, sub.topic);
  });

  it('loses no acknowledgement at the end, however many come at once', async () => {
    await using driver = await openDriver();
    await using sub = await subscription(driver);
    const ids = range(300);
    await publish(driver, sub.topic, 0, ...ids);
    const reader = await consume(driver, sub.topic, 'main', 300);
    const leased = await reader.take(300);
    await reader.member.stop();
    // one by one: the first of them stays open
    for (const each of leased.slice(1)) await reader.done(each);
    await reader.member.close();
    const again = await consume(driver, sub.topic, 'main', 300);
    await again.take(1);
    await publish(driver, sub.topic, 0, 'sentinel');
    await again.until(() => again.ids.includes('sentinel'));
    assert.deepEqual(again.ids, ['id-0', 'sentinel']);
    await again.member.close();
  });

  it('loses no acknowledgement at the end between many that stay open', async () => {
    await using driver = await openDriver();
    await using sub = await subscription(driver);
    await publish(driver, sub.topic, 0, ...range(300));
    const reader = await consume(driver, sub.topic, 'main', 300);
    const leased = await reader.take(300);
    await reader.member.stop();
    await reader.done(...leased.filter((_, index) => index % 2 === 1));
    await reader.member.close();
    const again = await consume(driver, sub.topic, 'main', 300);
    await again.take(150);
    await publish(driver, sub.topic, 0, 'sentinel');
    await again.until(() => again.ids.includes('sentinel'));
    const open = range(300).filter((_, index) => index % 2 === 0);
    assert.deepEqual(again.ids.toSorted(), [...open, 'sentinel'].toSorted());
    await again.member.close();
  });

  it('acknowledges nothing twice when the oldest document is done last', async () => {
    await using driver = await openDriver();
    await using sub = await subscription(driver);
    await publish(driver, sub.topic, 0, ...range(100));
    const reader = await consume(driver, sub.topic, 'main', 100);
    const leased = await reader.take(100);
    await reader.member.stop();
    await reader.done(...leased.slice(1, 50));
    await reader.done(...leased.slice(0, 1), ...leased.slice(50, 90));
    await reader.done(...leased.slice(92));
    await reader.member.close();
    const again = await consume(driver, sub.topic, 'main', 100);
    await again.take(2);
    await publish(driver, sub.topic, 0, 'sentinel');
    await again.until(() => again.ids.includes('sentinel'));
    assert.deepEqual(again.ids, ['id-90', 'id-91', 'sentinel']);
    await again.member.close();
  });

  it('refills the credit of a slow consumer whose oldest document stays open', async () => {
    await using driver = await openDriver();
    await using sub = await subscription(driver);
    await publish(driver, sub.topic, 0, ...range(500));
    const reader = await consume(driver, sub.topic, 'main', 10);
    await reader.take(1);
    for (let next = 1; next < 500; next += 1) {
      const leased = await reader.take(next + 1);
      await reader.done(leased[next] as never);
    }
    assert.deepEqual(reader.ids, range(500));
    await reader.done(reader.find('id-0'));
    await reader.member.close();
    await untilEmpty(driver, sub.topic);
  });

  it('leases no more than the credit', async () => {
    await using driver = await openDriver();
    await using sub = await subscription(driver);
    await publish(driver, sub.topic, 0, ...range(30));
    const reader = await consume(driver, sub.topic, 'main', 10);
    await reader.take(10);
    assert.equal(
      (
        await eventually(
          () => driver.inspect(sub.topic, 'sub', soon()),
          ({ ready }) => ready === 20,
        )
      ).ready,
      20,
    );
    assert.equal(reader.leased.length, 10);
    await reader.member.close();
  });

  it('hands a record out again after the delay, not before, with its state and without a trace of the broker', async () => {
    await using driver = await openDriver();
    await using sub = await subscription(driver);
    await publish(driver, sub.topic, 0, 'a', 'b');
    const reader = await consume(driver, sub.topic);
    await reader.take(2);
    // the first retry of a subscription waits for the queues that it needs
    await reader.member.settle([
      { token: reader.find('a').token, verdict: 'again', delayMs: 1, state: 'first' },
    ]);
    await reader.take(3);
    assert.equal(reader.find('a').state, 'first');
    const since = Date.now();
    const settled = await reader.member.settle([
      { token: reader.find('a').token, verdict: 'again', delayMs: 700, state: 'late' },
      { token: reader.find('b').token, verdict: 'again', delayMs: 0, state: 'at once' },
    ]);
    assert.deepEqual(settled, ['settled', 'settled']);
    assert.equal((await driver.inspect(sub.topic, 'sub', soon())).delayed, 1);
    await reader.take(4);
    assert.equal(reader.find('b').state, 'at once');
    await reader.take(5);
    const took = Date.now() - since;
    assert.ok(took >= 700 && took < 4000, `came after ${took} ms`);
    assert.equal(reader.find('a').state, 'late');
    assert.equal(reader.find('a').redelivered, false);
    // once more: what the delay queue has added must not pile up
    await reader.member.settle([
      { token: reader.find('a').token, verdict: 'again', delayMs: 0, state: 'third' },
    ]);
    await reader.take(6);
    const names = Object.keys(reader.find('a').headers);
    assert.deepEqual(
      names.filter((name) => name.startsWith('x-') || name.startsWith('duobus-')),
      [],
    );
    await reader.done(...reader.leased);
    await reader.member.close();
    await untilEmpty(driver, sub.topic);
  });

  it('tells a record that was given back from one whose consumer died', async () => {
    await using driver = await openDriver();
    await using sub = await subscription(driver);
    await publish(driver, sub.topic, 0, 'back', 'open');
    const reader = await consume(driver, sub.topic);
    await reader.take(2);
    await reader.member.stop();
    await reader.member.settle([
      { token: reader.find('back').token, verdict: 'back', state: 'returned' },
    ]);
    await reader.member.close();
    const next = await consume(driver, sub.topic);
    await next.take(2);
    assert.deepEqual([next.find('back').redelivered, next.find('back').state], [false, 'returned']);
    assert.deepEqual([next.find('open').redelivered, next.find('open').state], [true, undefined]);
    await next.member.close();
  });

  it('moves a noted record ahead of the queue and leases such records one at a time', async () => {
    await using driver = await openDriver();
    await using sub = await subscription(driver);
    await publish(driver, sub.topic, 0, ...range(20));
    const reader = await consume(driver, sub.topic, 'main', 5);
    const [first, second] = await reader.take(5);
    assert.equal(await reader.member.note(first?.token, 'try 1'), 'moved');
    assert.equal(await reader.member.note(second?.token, 'try 1'), 'moved');
    assert.equal(await reader.member.note(first?.token, 'try 2'), 'lost');
    const suspects = (): readonly string[] =>
      reader.leased.filter(({ state }) => state === 'try 1').map(idOf);
    await reader.until(() => suspects().length === 1);
    assert.deepEqual(suspects(), ['id-0']);
    await reader.until(({ leased }) => leased.length === 8);
    assert.deepEqual(suspects(), ['id-0'], 'the second waits for the first');
    await reader.done(reader.find('id-0'));
    await reader.until(() => suspects().length === 2);
    assert.equal(reader.find('id-1').redelivered, false);
    await reader.member.close();
  });

  it('stops handing out, but still settles', async () => {
    await using driver = await openDriver();
    await using sub = await subscription(driver);
    await publish(driver, sub.topic, 0, 'a');
    const reader = await consume(driver, sub.topic);
    const [a] = await reader.take(1);
    await reader.member.stop();
    await publish(driver, sub.topic, 0, 'b');
    assert.equal((await driver.inspect(sub.topic, 'sub', soon())).ready, 1);
    assert.deepEqual(await reader.done(a as never), ['settled']);
    await reader.member.close();
    const next = await consume(driver, sub.topic);
    await next.take(1);
    assert.deepEqual(next.ids, ['b']);
    await next.member.close();
  });

  it('says lost for tokens of an ended member, and of nobody', async () => {
    await using driver = await openDriver();
    await using sub = await subscription(driver);
    await publish(driver, sub.topic, 0, 'a');
    const reader = await consume(driver, sub.topic);
    const [a] = await reader.take(1);
    await reader.member.close();
    await reader.member.close();
    assert.deepEqual(await reader.done(a as never), ['lost']);
    assert.equal(await reader.member.note(a?.token, 'x'), 'lost');
    assert.deepEqual(await reader.member.settle([{ token: { fake: 1 }, verdict: 'done' }]), [
      'lost',
    ]);
    await assert.rejects(() => reader.member.receive(soon()), { code: 'DUOBUS_CLOSED' });
  });

  it('shares a subscription among members, each record to one', async () => {
    await using driver = await openDriver();
    await using second = await openDriver();
    await using sub = await subscription(driver);
    const readers = [
      await consume(driver, sub.topic, 'main', 10),
      await consume(second, sub.topic, 'main', 10),
    ];
    await publish(driver, sub.topic, 0, ...range(20));
    for (const reader of readers) await reader.take(10);
    assert.deepEqual(readers.flatMap(({ ids }) => ids).toSorted(), range(20).toSorted());
    for (const reader of readers) await reader.member.close();
  });

  it('consumes what others publish to the exchange, values of headers included', async () => {
    await using driver = await openDriver();
    await using sub = await subscription(driver);
    const connection = await connect(nodeUrls(testUrl('rabbitmq'))[0]);
    const channel = await connection.createConfirmChannel();
    const headers = {
      n: 7,
      big: 5_000_000_000,
      yes: true,
      raw: Buffer.from([0, 255]),
      half: 0.5,
      deep: { list: [1, 'x'] },
      none: null,
    };
    channel.publish(exchangeName(sub.topic.name), '', Buffer.from('x'), {
      headers,
      contentType: 'text/plain',
      expiration: 60_000,
    });
    await channel.waitForConfirms();
    await connection.close();
    const reader = await consume(driver, sub.topic);
    const [foreign] = await reader.take(1);
    assert.equal(foreign?.redelivered, false);
    assert.throws(
      () => driver.binding.decode(foreign as never),
      (error) => BusError.is(error, 'DUOBUS_DECODE'),
    );
    assert.deepEqual(
      await reader.member.settle([
        { token: foreign?.token, verdict: 'again', delayMs: 0, state: 's' },
      ]),
      ['settled'],
    );
    const [, copy] = await reader.take(2);
    assert.deepEqual({ ...copy?.headers }, { ...headers, 'content-type': 'text/plain' });
    await reader.done(copy as never);
    await reader.member.close();
  });
});
