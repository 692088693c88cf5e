import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BusError } from '@duobus/core/driver';
import { nodesOf } from '../src/link.ts';
import { soon } from './support/connection.ts';
import {
  client,
  consume,
  eventually,
  idOf,
  keysOf,
  openDriver,
  publish,
  record,
  subscription,
  untilEmpty,
} from './support/queues.ts';

const logOf = (topic: { readonly name: string }, partition = 0): string =>
  `{duobus:e:${topic.name}}:log:${partition}`;

describe('queues on Redis', () => {
  it('hands every document to every subscription, and keeps none that all have settled', async () => {
    await using driver = await openDriver();
    await using made = await subscription(driver);
    const { topic } = made;
    await driver.ensureSubscription(topic, 'other', 'create', soon());
    await publish(driver, topic, 0, 'a', 'b');
    const reader = await consume(driver, topic);
    const leased = await reader.take(2);
    assert.deepEqual(leased.map(idOf), ['a', 'b']);
    assert.ok(leased.every(({ redelivered, state }) => !redelivered && state === undefined));
    assert.deepEqual(await reader.done(...leased), ['settled', 'settled']);
    assert.equal(await client(driver).xlen(logOf(topic)), 2);
    const other = await driver.consume(topic, 'other', 'main', 10, soon());
    const [event] = await other.receive(soon());
    assert.ok(event?.type === 'records');
    await other.settle([{ token: event.records[0]?.token, verdict: 'done' }]);
    assert.equal(await client(driver).xlen(logOf(topic)), 1);
    await other.settle([{ token: event.records[1]?.token, verdict: 'done' }]);
    assert.equal(await client(driver).xlen(logOf(topic)), 0);
    await other.close();
    await reader.member.close();
    await untilEmpty(driver, topic);
    await driver.removeSubscription(topic, 'other', soon());
  });

  it('stores nothing where nobody has subscribed', async () => {
    await using driver = await openDriver();
    await using made = await subscription(driver);
    const { topic } = made;
    await driver.removeSubscription(topic, 'sub', soon());
    await publish(driver, topic, 0, 'a');
    assert.deepEqual(await keysOf(driver, topic), ['meta']);
  });

  it('shares the documents of a subscription among its consumers', async () => {
    await using driver = await openDriver();
    await using made = await subscription(driver);
    const { topic } = made;
    const [one, two] = [
      await consume(driver, topic, 'main', 2),
      await consume(driver, topic, 'main', 2),
    ];
    await publish(driver, topic, 0, 'a', 'b', 'c', 'd');
    await Promise.all([one.take(2), two.take(2)]);
    assert.deepEqual([...one.ids, ...two.ids].toSorted(), ['a', 'b', 'c', 'd']);
    await Promise.all([one.done(...one.leased), two.done(...two.leased)]);
    await Promise.all([one.member.close(), two.member.close()]);
    await untilEmpty(driver, topic);
  });

  it('holds no more than its credit', async () => {
    await using driver = await openDriver();
    await using made = await subscription(driver);
    const { topic } = made;
    await publish(driver, topic, 0, 'a', 'b', 'c', 'd', 'e');
    const reader = await consume(driver, topic, 'main', 2);
    await reader.take(2);
    const { ready, leased, oldestMs } = await driver.inspect(topic, 'sub', soon());
    assert.deepEqual([ready, leased], [3, 2]);
    assert.ok(oldestMs !== undefined && oldestMs >= 0);
    await reader.done(reader.find('a'));
    await reader.take(3);
    assert.deepEqual(reader.ids, ['a', 'b', 'c']);
    await reader.member.close();
  });

  it('counts exactly, also where documents in the middle are gone', async () => {
    await using driver = await openDriver();
    await using made = await subscription(driver);
    const { topic } = made;
    await publish(driver, topic, 0, 'a', 'b', 'c', 'd');
    const reader = await consume(driver, topic, 'main', 3);
    await reader.take(3);
    // the server's own lag is not known any more once an entry behind the group is deleted
    await reader.member.settle([
      { token: reader.find('b').token, verdict: 'done' },
      { token: reader.find('a').token, verdict: 'again', delayMs: 60_000, state: 's' },
      { token: reader.find('c').token, verdict: 'dead', state: 's' },
    ]);
    await reader.take(4);
    await publish(driver, topic, 0, 'e', 'f', 'g');
    await reader.take(6);
    const counts = await driver.inspect(topic, 'sub', soon());
    const { oldestMs, ...rest } = counts;
    assert.deepEqual(rest, { ready: 1, leased: 3, delayed: 1, dead: 1, consumers: 1 });
    assert.ok(oldestMs !== undefined);
    await reader.member.close();
  });

  it('hands out again what was delayed when its time has come, with its state, whoever is there', async () => {
    await using driver = await openDriver();
    await using made = await subscription(driver);
    const { topic } = made;
    await publish(driver, topic, 0, 'a');
    const reader = await consume(driver, topic);
    await reader.take(1);
    const from = performance.now();
    const again = {
      token: reader.find('a').token,
      verdict: 'again',
      delayMs: 300,
      state: 'one',
    } as const;
    assert.deepEqual(await reader.member.settle([again]), ['settled']);
    assert.deepEqual(await reader.member.settle([again]), ['lost'], 'its token is used up');
    await reader.member.close();
    const next = await consume(driver, topic);
    await next.take(1);
    assert.ok(performance.now() - from >= 299);
    const { state, redelivered } = next.find('a');
    assert.deepEqual([state, redelivered], ['one', false]);
    await next.done(next.find('a'));
    await next.member.close();
    await untilEmpty(driver, topic);
    assert.deepEqual(await keysOf(driver, topic), ['log:0', 'meta', 's:1:counts', 'subs']);
  });

  it('wakes an idle consumer for a retry that is due before it would look', async () => {
    await using driver = await openDriver({ leaseMs: 600_000 });
    await using other = await openDriver({ leaseMs: 600_000 });
    await using made = await subscription(driver);
    const { topic } = made;
    await publish(driver, topic, 0, 'a');
    const reader = await consume(driver, topic, 'main', 1);
    await reader.take(1);
    const idle = await consume(other, topic);
    await publish(driver, topic, 0, 'b');
    await idle.take(1);
    await idle.done(idle.find('b'));
    await reader.member.stop();
    await reader.member.settle([
      { token: reader.find('a').token, verdict: 'again', delayMs: 100, state: 'one' },
    ]);
    await idle.take(2);
    assert.equal(idle.find('a').state, 'one');
    await idle.done(idle.find('a'));
    await Promise.all([reader.member.close(), idle.member.close()]);
  });

  it('keeps a noted state for whoever is handed the document next', async () => {
    await using driver = await openDriver();
    await using made = await subscription(driver);
    const { topic } = made;
    await publish(driver, topic, 0, 'a');
    const reader = await consume(driver, topic);
    await reader.take(1);
    assert.equal(await reader.member.note(reader.find('a').token, 'one'), 'kept');
    assert.equal(await reader.member.note(reader.find('a').token, 'two'), 'kept');
    await reader.member.close();
    const next = await consume(driver, topic);
    await next.take(1);
    assert.deepEqual([next.find('a').state, next.find('a').redelivered], ['two', true]);
    await next.done(next.find('a'));
    await next.member.close();
    assert.equal((await keysOf(driver, topic)).includes('s:1:state:0'), false);
  });

  it('gives back unhandled documents as what they were', async () => {
    await using driver = await openDriver();
    await using made = await subscription(driver);
    const { topic } = made;
    await publish(driver, topic, 0, 'handed', 'back');
    const reader = await consume(driver, topic);
    await reader.take(2);
    await publish(driver, topic, 0, 'unseen');
    await eventually(
      () => driver.inspect(topic, 'sub', soon()),
      ({ leased }) => leased === 3,
    );
    await reader.member.settle([
      { token: reader.find('back').token, verdict: 'back', state: 'returned' },
    ]);
    await reader.member.close();
    const next = await consume(driver, topic);
    await next.take(3);
    assert.deepEqual(
      ['handed', 'back', 'unseen'].map((id) => [next.find(id).redelivered, next.find(id).state]),
      [
        [true, undefined],
        [false, 'returned'],
        [false, undefined],
      ],
    );
    await next.done(...next.leased);
    await next.member.close();
    await untilEmpty(driver, topic);
  });

  it('leaves no consumers behind in the groups', async () => {
    await using driver = await openDriver();
    await using made = await subscription(driver);
    const { topic } = made;
    for (const id of ['a', 'b', 'c']) {
      await publish(driver, topic, 0, id);
      const reader = await consume(driver, topic);
      await reader.take(1);
      await reader.done(...reader.leased);
      await reader.member.close();
    }
    assert.deepEqual(await client(driver).xinfo('CONSUMERS', logOf(topic), 'sub:1'), []);
  });

  it('takes documents of foreign writers, and binary ones byte by byte', async () => {
    await using driver = await openDriver();
    await using made = await subscription(driver);
    const { topic } = made;
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const binary = { ...record('binary'), body: bytes };
    await driver.publish(topic, 0, [binary], soon());
    await client(driver).xadd(logOf(topic), '*', 'h:id', 'foreign', 'x', 'y');
    const reader = await consume(driver, topic);
    await reader.take(2);
    assert.deepEqual(reader.find('binary').body, bytes);
    assert.equal(reader.find('foreign').body, null);
    await reader.done(...reader.leased);
    await reader.member.close();
    await untilEmpty(driver, topic);
    assert.equal(await client(driver).xlen(logOf(topic)), 0);
  });

  it('ends consumers of a subscription that is removed, and creates none again', async () => {
    await using driver = await openDriver();
    await using made = await subscription(driver);
    const { topic } = made;
    const reader = await consume(driver, topic);
    await driver.removeSubscription(topic, 'sub', soon());
    await reader.until(({ events }) => events.some(({ type }) => type === 'gone'));
    await reader.member.close();
    const refused = (error: unknown): boolean => BusError.is(error, 'DUOBUS_NOT_FOUND');
    await assert.rejects(driver.consume(topic, 'sub', 'main', 1, soon()), refused);
    await assert.rejects(driver.consume(topic, 'sub', 'dead', 1, soon()), refused);
    await assert.rejects(driver.inspect(topic, 'sub', soon()), refused);
    await assert.rejects(driver.ensureSubscription(topic, 'sub', 'check', soon()), refused);
    assert.deepEqual(await driver.names(topic, soon()), []);
  });

  it('needs three connections to a server for a hundred subscriptions', async () => {
    await using driver = await openDriver({ clientName: 'hundred' });
    await using made = await subscription(driver);
    const { topic } = made;
    const names = Array.from({ length: 100 }, (_, at) => `sub-${at}`);
    await Promise.all(
      names.map((name) => driver.ensureSubscription(topic, name, 'create', soon())),
    );
    const members = await Promise.all(
      names.map((name) => driver.consume(topic, name, 'main', 10, soon())),
    );
    await publish(driver, topic, 0, 'a');
    for (const member of members) {
      const [event] = await member.receive(soon());
      assert.ok(event?.type === 'records');
      await member.settle(event.records.map(({ token }) => ({ token, verdict: 'done' })));
    }
    for (const node of nodesOf(client(driver))) {
      const list = String(await node.client('LIST'));
      const count = list.match(/ name=hundred-/g)?.length ?? 0;
      assert.ok(count <= 3, `${count} connections`);
    }
    await Promise.all(members.map((member) => member.close()));
    await Promise.all(names.map((name) => driver.removeSubscription(topic, name, soon())));
    await driver.removeSubscription(topic, 'sub', soon());
    assert.deepEqual(await keysOf(driver, topic), ['meta']);
  });

  it('is rung long before it would look by itself, and looks by itself all the same', async () => {
    await using driver = await openDriver({ leaseMs: 600_000 });
    await using made = await subscription(driver);
    const { topic } = made;
    const reader = await consume(driver, topic);
    await publish(driver, topic, 0, 'a');
    await reader.take(1);
    await reader.done(reader.find('a'));
    await publish(driver, topic, 0, 'b');
    await reader.take(2);
    await reader.done(reader.find('b'));
    await reader.member.close();
    await using brisk = await openDriver({ leaseMs: 1_000 });
    const looking = await consume(brisk, topic);
    await publish(driver, topic, 0, 'heard');
    await looking.take(1);
    await looking.done(looking.find('heard'));
    await client(driver).xadd(logOf(topic), '*', 'h:id', 'unheard');
    await looking.take(2);
    await looking.done(looking.find('unheard'));
    await looking.member.close();
  });
});
