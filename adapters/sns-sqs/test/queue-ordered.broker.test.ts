import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SendMessageCommand } from '@aws-sdk/client-sqs';
import type { Leased } from '@duobus/core/driver';
import { Worker } from './support/ordered-worker.ts';
import { endpoint, soon } from './support/queue-connection.ts';
import { Proxy } from './support/proxy.ts';
import {
  consume,
  eventually,
  idOf,
  openDriver,
  publish,
  range,
  record,
  subscription,
  untilEmpty,
} from './support/queues.ts';
import { registration } from './support/registration.ts';

const keyed = (key: string, ...ns: number[]) => ns.map((n) => record(`${key}.${n}`, key));

describe('order by key on SNS and SQS', () => {
  it('shares the partitions evenly, and keeps keys in order and apart while members come and go', async () => {
    await using opened = await openDriver({ leaseMs: 8_000 });
    await using other = await openDriver({ leaseMs: 8_000 });
    await using made = await subscription(opened, 'key', 4);
    const { topic } = made;
    const keys = range(7).map((n) => `k${n}`);
    const handled = new Map<string, number[]>(keys.map((key) => [key, []]));
    const running = new Set<string>();
    let repeated = 0;
    const handle = async (each: Leased): Promise<void> => {
      const { key = '' } = each;
      assert.ok(!running.has(key), `${key} is handled by two`);
      running.add(key);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 6));
      running.delete(key);
      if (each.redelivered) repeated += 1;
      handled.get(key)?.push(Number(idOf(each).split('.')[1]));
    };
    const total = (): number => [...handled.values()].reduce((sum, { length }) => sum + length, 0);
    const join = async (driver: typeof opened): Promise<Worker> =>
      new Worker((await consume(driver, topic, 'main', 10)).member, handle);
    let published = 0;
    const ending = new AbortController();
    const publisher = (async () => {
      for (; !ending.signal.aborted; published += 5)
        await Promise.all(
          keys.map((key, at) => publish(opened, topic, at % 4, keyed(key, ...range(5, published)))),
        );
    })();
    const moreAre = async (count: number): Promise<unknown> => {
      const from = total();
      return eventually(
        async () => total(),
        (now) => now >= from + count,
      );
    };
    const sharesAre = (...shares: readonly (readonly [Worker, number])[]): Promise<unknown> =>
      eventually(
        async () => shares.map(([{ assigned }]) => assigned.size),
        (sizes) => shares.every(([, share], at) => sizes[at] === share),
      );
    const first = await join(opened);
    await sharesAre([first, 4]);
    await moreAre(30);
    const second = await join(other);
    await sharesAre([first, 2], [second, 2]);
    assert.deepEqual([...first.assigned, ...second.assigned].toSorted(), [0, 1, 2, 3]);
    await moreAre(30);
    await first.close();
    await sharesAre([second, 4]);
    await moreAre(30);
    ending.abort();
    await publisher;
    await eventually(
      async () => total(),
      (now) => now >= keys.length * published,
    );
    await second.close();
    for (const key of keys) assert.deepEqual(handled.get(key), range(published), key);
    assert.equal(repeated, 0);
    await untilEmpty(opened, topic);
  });

  it('takes a dead member’s partitions when its lease is over', async () => {
    await using proxy = await Proxy.to(endpoint());
    await using dying = await openDriver({ endpoint: proxy.url, leaseMs: 6_000 });
    await using other = await openDriver({ leaseMs: 6_000 });
    await using made = await subscription(other, 'key', 2);
    const { topic } = made;
    // before: what comes while something of its key is held is not handed out
    await publish(other, topic, 0, keyed('a', 1, 2, 3));
    await publish(other, topic, 1, keyed('b', 1));
    const dead = await consume(dying, topic);
    await dead.take(4);
    proxy.fault = () => 'cut';
    const diedAt = performance.now();
    const next = await consume(other, topic);
    await next.until(({ assigned }) => assigned.length === 2);
    assert.ok(performance.now() - diedAt > 4_000, 'not before its lease is over');
    await publish(other, topic, 0, keyed('a', 4));
    await next.take(4);
    assert.deepEqual(await dead.done(...dead.leased.slice(0, 1)), ['lost']);
    assert.deepEqual(new Set(await next.done(...next.leased)), new Set(['settled']));
    await next.take(5);
    assert.deepEqual(
      next.leased.filter(({ key }) => key === 'a').map((each) => [idOf(each), each.redelivered]),
      [
        ['a.1', true],
        ['a.2', true],
        ['a.3', true],
        ['a.4', false],
      ],
    );
    assert.deepEqual(await next.done(next.find('a.4')), ['settled']);
    await next.member.close();
    await untilEmpty(other, topic);
  });

  it('hands over at once when a member leaves', async () => {
    // much longer than `until` waits, and so is the time between looks
    const leaseMs = 240_000;
    await using one = await openDriver({ leaseMs });
    await using other = await openDriver({ leaseMs });
    await using made = await subscription(one, 'key', 2);
    const leaving = await consume(one, made.topic);
    await leaving.until(({ assigned }) => assigned.length === 2);
    const next = await consume(other, made.topic);
    await leaving.member.close();
    await next.until(({ assigned }) => assigned.length === 2);
    await next.member.close();
  });

  it('holds back a key behind a document that is held, and no other', async () => {
    await using opened = await openDriver({ visibilityMs: 4_000 });
    await using made = await subscription(opened, 'key');
    const { topic } = made;
    await publish(opened, topic, 0, keyed('a', 1));
    const reader = await consume(opened, topic);
    await reader.take(1);
    await publish(opened, topic, 0, [...keyed('a', 2, 3), ...keyed('b', 1)]);
    await reader.take(2);
    // longer than it would be away without being kept
    await assert.rejects(
      reader.until(({ ids }) => ids.length > 2, 6_000),
      /in vain/,
    );
    assert.deepEqual(reader.ids, ['a.1', 'b.1']);
    assert.equal(await reader.member.note(reader.find('a.1').token, 'failed once'), 'kept');
    assert.deepEqual(await reader.done(reader.find('a.1')), ['settled']);
    await reader.take(4);
    assert.deepEqual(reader.ids, ['a.1', 'b.1', 'a.2', 'a.3']);
    assert.deepEqual(await reader.done(...reader.leased.slice(1)), Array(3).fill('settled'));
    await reader.member.close();
    await untilEmpty(opened, topic);
  });

  it('gives back what has not been handed out when a partition moves, and nobody has died of it', async () => {
    await using proxy = await Proxy.to(endpoint());
    await using opened = await openDriver({ endpoint: proxy.url, leaseMs: 6_000 });
    await using other = await openDriver({ leaseMs: 6_000 });
    await using made = await subscription(opened, 'key', 2);
    const { topic } = made;
    const first = await consume(opened, topic);
    await first.until(({ assigned }) => assigned.length === 2);
    // of one key the second would wait for the first
    for (const partition of [0, 1])
      await publish(opened, topic, partition, [
        ...keyed(`p${partition}`, 1),
        ...keyed(`q${partition}`, 1),
      ]);
    await eventually(
      () => opened.driver.inspect(topic, 'sub', soon()),
      ({ leased }) => leased === 4,
    );
    const second = await consume(other, topic);
    const looks = (): number =>
      proxy.seen.filter(({ path }) => /list-type.*cells/.test(path)).length;
    const before = looks();
    // what it was given before it was told is not its own any more
    await eventually(
      async () => looks(),
      (now) => now >= before + 2,
    );
    await first.until(({ events }) => events.some(({ type }) => type === 'revoking'));
    const moving = first.events.flatMap((each) =>
      each.type === 'revoking' ? [each.partition] : [],
    );
    assert.equal(moving.length, 1);
    const [partition = -1] = moving;
    assert.ok(first.leased.every(({ key }) => !key?.endsWith(`${partition}`)));
    await first.member.release(partition);
    await second.take(2);
    assert.deepEqual(second.assigned, moving);
    assert.deepEqual(
      second.leased.map((each) => [idOf(each), each.redelivered]).toSorted(),
      ['p', 'q'].map((key) => [`${key}${partition}.1`, false]),
    );
    assert.deepEqual(await second.done(...second.leased), ['settled', 'settled']);
    await first.take(2);
    assert.deepEqual(await first.done(...first.leased), ['settled', 'settled']);
    await first.member.close();
    await second.member.close();
    await untilEmpty(opened, topic);
  });

  it('is lost when it cannot keep what it holds, so that nothing is handled out of order', async () => {
    await using proxy = await Proxy.to(endpoint());
    await using opened = await openDriver({ endpoint: proxy.url, leaseMs: 8_000 });
    await using other = await openDriver({ leaseMs: 8_000 });
    await using made = await subscription(opened, 'key');
    const { topic } = made;
    await publish(opened, topic, 0, keyed('a', 1, 2, 3));
    const frozen = await consume(opened, topic);
    await frozen.take(3);
    proxy.fault = ({ action }) =>
      action === 'ChangeMessageVisibilityBatch' ? { answer: 503 } : undefined;
    await frozen.until(({ events }) => events.at(-1)?.type === 'lost');
    // on a busy machine it may have received them once more before it knew
    assert.deepEqual(new Set(await frozen.done(...frozen.leased)), new Set(['lost']));
    await frozen.member.close();
    const next = await consume(other, topic);
    await next.take(3);
    assert.deepEqual(next.ids, ['a.1', 'a.2', 'a.3']);
    assert.ok(next.leased.every(({ redelivered }) => redelivered));
    await next.done(...next.leased);
    await next.member.close();
    await untilEmpty(other, topic);
  });

  it('is lost when it cannot say that it lives, and hands out nothing more', async () => {
    await using proxy = await Proxy.to(endpoint());
    await using opened = await openDriver({ endpoint: proxy.url, leaseMs: 6_000 });
    await using made = await subscription(opened, 'key');
    const { topic } = made;
    const reader = await consume(opened, topic);
    await publish(opened, topic, 0, keyed('a', 1));
    await reader.take(1);
    proxy.fault = ({ action, path }) =>
      action === 'PUT' && path.includes('/cells/') ? 'cut' : undefined;
    await reader.until(({ events }) => events.at(-1)?.type === 'lost');
    assert.deepEqual(await reader.done(...reader.leased), ['lost']);
    proxy.fault = () => undefined;
    await reader.member.close();
    const next = await consume(opened, topic);
    await next.take(1);
    assert.equal(next.find('a.1').redelivered, true);
    await next.done(...next.leased);
    await next.member.close();
    await untilEmpty(opened, topic);
  });

  it('is lost when others take it for dead, and who follows in its process has its partitions at once', async () => {
    // who looks notices within 15 s; without its seat its successor would wait for 60
    await using opened = await openDriver({ leaseMs: 60_000 });
    await using made = await subscription(opened, 'key', 3);
    const { topic } = made;
    const { store, settings } = opened.connection;
    const reader = await consume(opened, topic);
    await reader.until(({ assigned }) => assigned.length === 3);
    const { uid } = await registration(opened, topic);
    const prefix = `${settings.root}events/${topic.incarnation}/${uid}/cells/member/`;
    const signal = AbortSignal.timeout(15_000);
    const { objects } = await store.list(prefix, {}, signal);
    assert.equal(objects.length, 1);
    for (const { key } of objects) await store.remove(key, undefined, signal);
    await reader.until(({ events }) => events.at(-1)?.type === 'lost');
    await reader.member.close();
    const next = await consume(opened, topic);
    await next.until(({ assigned }) => assigned.length === 3);
    await next.member.close();
  });

  for (const how of ['closes', 'has to release one'] as const)
    it(`gives up its partitions when it ${how}, although SQS does not take back what it holds`, async () => {
      await using proxy = await Proxy.to(endpoint());
      await using opened = await openDriver({ endpoint: proxy.url });
      await using other = await openDriver();
      await using made = await subscription(opened, 'key', 2);
      const { topic } = made;
      const leaving = await consume(opened, topic);
      await leaving.until(({ assigned }) => assigned.length === 2);
      for (const partition of [0, 1])
        await publish(opened, topic, partition, keyed(`k${partition}`, 1));
      await leaving.take(2);
      proxy.fault = ({ action }) =>
        action === 'ChangeMessageVisibilityBatch' ? { answer: 503 } : undefined;
      const next = await consume(other, topic);
      if (how === 'closes') await leaving.member.close();
      else {
        await leaving.until(({ events }) => events.at(-1)?.type === 'revoking');
        const event = leaving.events.at(-1);
        assert.ok(event?.type === 'revoking');
        await leaving.member.release(event.partition).catch((error: unknown) => error);
      }
      await next.until(({ assigned }) => assigned.length === (how === 'closes' ? 2 : 1));
      proxy.fault = () => undefined;
      await leaving.member.close();
      await next.take(2);
      await next.done(...next.leased);
      await next.member.close();
      await untilEmpty(opened, topic);
    });

  it('redrives to the queue of the partition, and holds back no key', async () => {
    await using opened = await openDriver();
    await using made = await subscription(opened, 'key', 3);
    const { topic } = made;
    await publish(opened, topic, 2, keyed('k', 1));
    const reader = await consume(opened, topic);
    await reader.take(1);
    const { token } = reader.find('k.1');
    const state = 'it failed';
    assert.deepEqual(await reader.member.settle([{ token, verdict: 'dead', state }]), ['settled']);
    await publish(opened, topic, 2, keyed('k', 2));
    await reader.take(2);
    const lister = await consume(opened, topic, 'dead');
    await lister.take(1);
    const again = { verdict: 'again', delayMs: 0, state: 'once more' } as const;
    assert.deepEqual(await lister.member.settle([{ token: lister.find('k.1').token, ...again }]), [
      'settled',
    ]);
    await lister.member.close();
    // while its key is held
    await reader.take(3);
    const event = reader.events.findLast(({ type }) => type === 'records');
    assert.ok(event?.type === 'records' && event.partition === 2);
    const redriven = reader.find('k.1');
    assert.deepEqual(
      [redriven.state, redriven.key, redriven.redelivered],
      ['once more', 'k', false],
    );
    assert.deepEqual(await reader.done(...reader.leased.slice(1)), ['settled', 'settled']);
    await reader.member.close();
    await untilEmpty(opened, topic);
  });

  it('hands out what others send to any group', async () => {
    await using opened = await openDriver();
    await using made = await subscription(opened, 'key', 2);
    const { topic } = made;
    const { queues } = await registration(opened, topic);
    for (const group of ['7.x', 'nonsense', 'probe'])
      await opened.native.sqs.send(
        new SendMessageCommand({
          QueueUrl: queues[0].queueUrl,
          MessageBody: 'not an event',
          MessageGroupId: group,
          MessageDeduplicationId: group,
        }),
      );
    const reader = await consume(opened, topic);
    await reader.take(3);
    assert.deepEqual(reader.assigned.toSorted(), [0, 1]);
    assert.deepEqual(await reader.done(...reader.leased), ['settled', 'settled', 'settled']);
    await reader.member.close();
    await untilEmpty(opened, topic);
  });
});
