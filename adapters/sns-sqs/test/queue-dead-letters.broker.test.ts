import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StoredTopic } from '@duobus/core/driver';
import { soon } from './support/queue-connection.ts';
import {
  consume,
  idOf,
  objectsOf,
  openDriver,
  publish,
  range,
  type Reader,
  record,
  records,
  subscription,
  type TestDriver,
  untilEmpty,
} from './support/queues.ts';

const isIdle = ({ events }: Reader): boolean => events.some(({ type }) => type === 'idle');

async function kill(opened: TestDriver, topic: StoredTopic, ...ids: string[]): Promise<void> {
  await publish(
    opened,
    topic,
    0,
    ids.map((id) => record(id, `key ${id}`)),
  );
  const reader = await consume(opened, topic, 'main', ids.length);
  await reader.take(ids.length);
  const dead = ids.map((id) => ({
    token: reader.find(id).token,
    verdict: 'dead' as const,
    state: `dead ${id}`,
  }));
  assert.deepEqual(
    await reader.member.settle(dead),
    ids.map(() => 'settled'),
  );
  await reader.member.close();
}

async function list(opened: TestDriver, topic: StoredTopic): Promise<Reader> {
  return (await consume(opened, topic, 'dead')).until(isIdle);
}

describe('dead letters on SNS and SQS', () => {
  it('lists them as often as one likes, in pages, and moves nothing by it', async () => {
    // so many are settled that a busy machine needs longer than others wait here
    await using opened = await openDriver({ visibilityMs: 60_000 });
    await using made = await subscription(opened);
    const { topic } = made;
    const ids = range(230).map((n) => `n${n}`);
    for (const from of [0, 100, 200]) {
      const some = ids.slice(from, from + 100);
      await publish(
        opened,
        topic,
        0,
        some.map((id) => record(id, `key ${id}`)),
      );
    }
    const dying = await consume(opened, topic, 'main', 300);
    await dying.take(230);
    const settled = await dying.member.settle(
      dying.leased.map((each) => ({
        token: each.token,
        verdict: 'dead' as const,
        state: `dead ${idOf(each)}`,
      })),
    );
    assert.deepEqual(new Set(settled), new Set(['settled']));
    await dying.member.close();
    for (let pass = 0; pass < 2; pass += 1) {
      const lister = await list(opened, topic);
      assert.deepEqual(lister.ids.toSorted(), ids.toSorted());
      assert.ok(lister.events.filter(({ type }) => type === 'records').length >= 3);
      const { state, key, body } = lister.find('n7');
      assert.deepEqual([state, key, String(body)], ['dead n7', 'key n7', '"n7"']);
      await lister.member.close();
    }
    const counts = await opened.driver.inspect(topic, 'sub', soon());
    assert.deepEqual([counts.dead, counts.ready, counts.leased], [230, 0, 0]);
    await opened.driver.removeSubscription(topic, 'sub', soon());
    assert.deepEqual(await objectsOf(opened, topic), []);
  });

  it('says at once that there are none', async () => {
    await using opened = await openDriver();
    await using made = await subscription(opened);
    const lister = await list(opened, made.topic);
    assert.deepEqual(lister.ids, []);
    await lister.member.close();
  });

  for (const order of ['none', 'key'] as const)
    it(`redrives to its own subscription alone, with order ${order}`, async () => {
      await using opened = await openDriver();
      const { driver } = opened;
      await using made = await subscription(opened, order, 3);
      const { topic } = made;
      await driver.ensureSubscription(topic, 'other', 'create', soon());
      await kill(opened, topic, 'a', 'b', 'c');
      const lister = await list(opened, topic);
      assert.equal(await lister.member.note(lister.find('a').token, 'noted'), 'kept');
      assert.deepEqual(
        await lister.member.settle([
          { token: lister.find('b').token, verdict: 'again', delayMs: 0, state: 'once more' },
          { token: lister.find('c').token, verdict: 'done' },
        ]),
        ['settled', 'settled'],
      );
      await lister.member.close();
      const rest = await list(opened, topic);
      assert.deepEqual(
        rest.leased.map((each) => [idOf(each), each.state]),
        [['a', 'noted']],
      );
      assert.deepEqual(await rest.done(rest.find('a')), ['settled']);
      await rest.member.close();
      const reader = await consume(opened, topic);
      await reader.take(1);
      const { state, redelivered, key, headers, body } = reader.find('b');
      assert.deepEqual([state, redelivered, key], ['once more', false, 'key b']);
      assert.deepEqual([headers['content-type'], String(body)], ['application/json', '"b"']);
      assert.equal((await driver.inspect(topic, 'other', soon())).ready, 3);
      if (order === 'none') {
        await reader.member.settle([
          { token: reader.find('b').token, verdict: 'again', delayMs: 1, state: 'retried' },
        ]);
        await reader.take(2);
        assert.equal(reader.find('b').state, 'retried');
      }
      assert.deepEqual(await reader.done(reader.find('b')), ['settled']);
      await reader.member.close();
      await driver.removeSubscription(topic, 'other', soon());
      await untilEmpty(opened, topic);
      // who owns partitions stays for as long as the subscription
      const left = (await objectsOf(opened, topic)).filter((key) => !key.includes('/cells/'));
      assert.deepEqual(left, ['subscriptions/sub']);
    });

  it('lets one of two do it who redrive or remove the same', async () => {
    await using opened = await openDriver();
    await using made = await subscription(opened);
    const { topic } = made;
    await kill(opened, topic, ...range(20).map(String));
    const listers = [await list(opened, topic), await list(opened, topic)];
    const results = await Promise.all(
      listers.map(({ member, leased }) =>
        member.settle(
          leased.map(({ token }) => ({ token, verdict: 'again', delayMs: 0, state: 'again' })),
        ),
      ),
    );
    for (const at of range(20))
      assert.equal(results.filter((result) => result[at] === 'settled').length, 1);
    for (const { member } of listers) await member.close();
    const reader = await consume(opened, topic);
    await reader.drain(20);
    await reader.member.close();
    await untilEmpty(opened, topic);
  });

  it('has one of a document that dies twice because its removal was lost', async () => {
    await using opened = await openDriver();
    await using made = await subscription(opened);
    const { topic } = made;
    await publish(opened, topic, 0, records('a'));
    const { connection } = opened;
    const { sqs } = connection;
    const reader = await consume(opened, topic);
    await reader.take(1);
    connection.sqs = ((...args: Parameters<typeof sqs>) =>
      args[0].constructor.name === 'DeleteMessageBatchCommand'
        ? Promise.reject(new Error('lost'))
        : sqs(...args)) as typeof sqs;
    await assert.rejects(
      reader.member.settle([{ token: reader.find('a').token, verdict: 'dead', state: 'first' }]),
    );
    connection.sqs = sqs;
    await reader.take(2);
    assert.equal(reader.find('a').redelivered, true);
    await reader.member.settle([
      { token: reader.find('a').token, verdict: 'dead', state: 'second' },
    ]);
    await reader.member.close();
    const lister = await list(opened, topic);
    assert.deepEqual(
      lister.leased.map((each) => [idOf(each), each.state]),
      [['a', 'second']],
    );
    await lister.member.close();
  });
});
