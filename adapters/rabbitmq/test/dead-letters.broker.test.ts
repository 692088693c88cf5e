import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { QueueDriver, StoredTopic } from '@duobus/core/driver';
import {
  consume,
  eventually,
  openDriver,
  publish,
  type Reader,
  soon,
  subscription,
  untilEmpty,
} from './support/driver.ts';

const range = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `id-${index}`);

async function bury(driver: QueueDriver, topic: StoredTopic, ...ids: string[]): Promise<void> {
  await publish(driver, topic, 0, ...ids);
  const reader = await consume(driver, topic, 'main', ids.length);
  await reader.take(ids.length);
  const settled = await reader.member.settle(
    reader.leased.map(({ token }) => ({ token, verdict: 'dead', state: 'why' })),
  );
  assert.ok(settled.every((each) => each === 'settled'));
  await reader.member.close();
}

const pass = (reader: Reader): Promise<Reader> =>
  reader.until(({ events }) => events.some(({ type }) => type === 'idle'));
const deadCount = async (driver: QueueDriver, topic: StoredTopic): Promise<number> =>
  (await driver.inspect(topic, 'sub', soon())).dead;

describe('dead letters', { concurrency: 4 }, () => {
  it('are listed again and again, in order, and stay', async () => {
    await using driver = await openDriver();
    await using sub = await subscription(driver);
    await bury(driver, sub.topic, ...range(250));
    for (let times = 0; times < 25; times += 1) {
      const reader = await pass(await consume(driver, sub.topic, 'dead'));
      assert.deepEqual(reader.ids, range(250));
      assert.ok(reader.leased.every(({ state }) => state === 'why'));
      await reader.member.close();
    }
    assert.equal(
      await eventually(
        () => deadCount(driver, sub.topic),
        (dead) => dead === 250,
      ),
      250,
    );
  });

  it('end an empty list at once', async () => {
    await using driver = await openDriver();
    await using sub = await subscription(driver);
    const reader = await pass(await consume(driver, sub.topic, 'dead'));
    assert.deepEqual(reader.ids, []);
    await reader.member.close();
    await untilEmpty(driver, sub.topic);
  });

  it('make a second lister wait, and hide nothing from it', async () => {
    await using driver = await openDriver();
    await using other = await openDriver();
    await using sub = await subscription(driver);
    await bury(driver, sub.topic, ...range(30));
    const first = await pass(await consume(driver, sub.topic, 'dead'));
    const second = await consume(other, sub.topic, 'dead');
    const listing = pass(second);
    await first.done(first.find('id-7'));
    await first.member.stop();
    assert.deepEqual(second.events, []);
    await first.member.close();
    await listing;
    assert.deepEqual(
      second.ids,
      range(30).filter((id) => id !== 'id-7'),
    );
    await second.member.close();
    assert.equal(
      await eventually(
        () => deadCount(driver, sub.topic),
        (dead) => dead === 29,
      ),
      29,
    );
  });

  it('are handed to the next lister when one dies', async () => {
    await using driver = await openDriver();
    const victim = await openDriver();
    await using sub = await subscription(driver);
    await bury(driver, sub.topic, ...range(5));
    await consume(victim, sub.topic, 'dead');
    const next = await consume(driver, sub.topic, 'dead');
    await victim.close();
    await pass(next);
    assert.deepEqual(next.ids, range(5));
    await next.member.close();
  });

  it('are purged for good, however many', async () => {
    await using driver = await openDriver();
    await using sub = await subscription(driver);
    await bury(driver, sub.topic, ...range(400));
    const reader = await pass(await consume(driver, sub.topic, 'dead'));
    for (const each of reader.leased.toReversed()) await reader.done(each);
    await reader.member.close();
    assert.equal(await deadCount(driver, sub.topic), 0);
    const after = await pass(await consume(driver, sub.topic, 'dead'));
    assert.deepEqual(after.ids, []);
    await after.member.close();
  });

  it('go back to their subscription alone', async () => {
    await using driver = await openDriver();
    await using sub = await subscription(driver);
    await driver.ensureSubscription(sub.topic, 'other', 'create', soon());
    await bury(driver, sub.topic, 'a', 'b');
    const list = await pass(await consume(driver, sub.topic, 'dead'));
    assert.deepEqual(
      await list.member.settle([
        { token: list.find('a').token, verdict: 'again', delayMs: 0, state: 'redriven' },
      ]),
      ['settled'],
    );
    await list.member.close();
    const reader = await consume(driver, sub.topic);
    await reader.take(1);
    assert.deepEqual([reader.ids, reader.find('a').state], [['a'], 'redriven']);
    await reader.done(reader.find('a'));
    await reader.member.close();
    assert.equal(
      await eventually(
        () => deadCount(driver, sub.topic),
        (dead) => dead === 1,
      ),
      1,
    );
    assert.equal((await driver.inspect(sub.topic, 'other', soon())).ready, 2);
    await driver.removeSubscription(sub.topic, 'other', soon());
  });
});
