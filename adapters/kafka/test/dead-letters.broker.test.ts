import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { QueueDriver, StoredTopic } from '@duobus/core/driver';
import { soon } from './support/driver.ts';
import {
  idOf,
  listDead,
  openQueue,
  publish,
  QueueReader,
  range,
  subscribed,
  untilCounts,
} from './support/queue.ts';

async function bury(
  driver: QueueDriver,
  topic: StoredTopic,
  ids: readonly string[],
): Promise<void> {
  const reader = await QueueReader.open(driver, topic, 'main', 1_000);
  for (let from = 0; from < ids.length; from += 500) {
    const some = ids.slice(from, from + 500);
    await publish(driver, topic, 0, ...some);
    await reader.take(from + some.length);
    const results = await reader.settle('dead', reader.leased.slice(from), { state: 'why' });
    assert.ok(results.every((result) => result === 'settled'));
  }
  await reader.close();
}

describe('dead letters on Kafka', { concurrency: 3 }, () => {
  it('are listed again and again, in order, and outlive the consumer', async () => {
    await using driver = await openQueue();
    const topic = await subscribed(driver);
    await bury(driver, topic, range(60));
    for (let times = 0; times < 10; times += 1) {
      const reader = await listDead(driver, topic);
      assert.deepEqual(reader.ids, range(60));
      assert.ok(reader.leased.every(({ state }) => state === 'why'));
      await reader.close();
    }
    await untilCounts(driver, topic, { ready: 0, delayed: 0, dead: 60 });
  });

  it('go back to their subscription alone, or go', async () => {
    await using driver = await openQueue();
    const topic = await subscribed(driver, 'key', 2);
    await bury(driver, topic, range(10));
    await driver.ensureSubscription(topic, 'other', 'create', soon());
    const letters = await listDead(driver, topic);
    await letters.settle('again', [letters.find('id-4')], { state: 'redriven' });
    await letters.done(letters.find('id-7'));
    assert.deepEqual(await letters.done(letters.find('id-7')), ['lost']);
    await letters.close();
    await untilCounts(driver, topic, { dead: 8, delayed: 1 });
    const reader = await QueueReader.open(driver, topic);
    const [redriven] = await reader.take(1);
    assert.deepEqual([reader.ids, redriven?.state], [['id-4'], 'redriven']);
    await reader.done(...reader.leased);
    await reader.close();
    await untilCounts(driver, topic, { dead: 8, delayed: 0 });
    assert.equal((await driver.inspect(topic, 'other', soon())).ready, 0);
    const rest = await listDead(driver, topic);
    assert.deepEqual(
      rest.ids,
      range(10).filter((id) => id !== 'id-4' && id !== 'id-7'),
    );
    await rest.close();
  });

  it('make a second lister wait, and hide nothing from it', async () => {
    await using driver = await openQueue();
    await using other = await openQueue();
    const topic = await subscribed(driver);
    await bury(driver, topic, range(30));
    const first = await QueueReader.open(driver, topic, 'dead');
    await first.take(1);
    const second = await QueueReader.open(other, topic, 'dead');
    const listing = second.until((one) => one.has('idle'), 40_000);
    await first.until((one) => one.has('idle'));
    // the group is rebalanced for the second one; what the first does still counts
    assert.deepEqual(await first.done(first.find('id-7')), ['settled']);
    assert.deepEqual(await first.done(first.find('id-8')), ['settled']);
    assert.deepEqual(second.events, []);
    await first.close();
    await listing;
    assert.deepEqual(
      second.ids,
      range(30).filter((id) => id !== 'id-7' && id !== 'id-8'),
    );
    await second.close();
  });

  it('are counted exactly when many are removed from between others', async () => {
    await using driver = await openQueue();
    const topic = await subscribed(driver);
    await bury(driver, topic, range(3_000));
    await untilCounts(driver, topic, { dead: 3_000 });
    const odd = (id: string): boolean => Number(id.slice(3)) % 2 === 1;
    const letters = await QueueReader.open(driver, topic, 'dead');
    let seen = 0;
    while (!letters.has('idle')) {
      await letters.until((one) => one.has('idle') || one.leased.length > seen);
      const batch = letters.leased.slice(seen).filter((leased) => odd(idOf(leased)));
      seen = letters.leased.length;
      for (let from = 0; from < batch.length; from += 100)
        await letters.done(...batch.slice(from, from + 100));
    }
    assert.equal(letters.ids.length, 3_000);
    await untilCounts(driver, topic, { dead: 1_500 });
    // one that was put behind the others meanwhile is still the one that its token means
    assert.deepEqual(await letters.done(letters.find('id-0')), ['settled']);
    await letters.close();
    await untilCounts(driver, topic, { dead: 1_499 });
    const rest = await listDead(driver, topic);
    assert.deepEqual(
      rest.ids.toSorted(),
      range(3_000)
        .filter((id) => !odd(id) && id !== 'id-0')
        .toSorted(),
    );
    await rest.close();
  });
});
