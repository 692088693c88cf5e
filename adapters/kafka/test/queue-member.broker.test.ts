import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Leased } from '@duobus/core/driver';
import { eventually, soon } from './support/driver.ts';
import {
  evictAll,
  groupsOf,
  idOf,
  openQueue,
  publish,
  QueueReader,
  range,
  record,
  subscribed,
  untilCounts,
  withAdmin,
} from './support/queue.ts';

describe('a consumer of a subscription on Kafka', { concurrency: 3 }, () => {
  it('holds up nothing behind a document that is not settled, and remembers that', async () => {
    await using driver = await openQueue();
    const topic = await subscribed(driver);
    await publish(driver, topic, 0, ...range(50));
    const reader = await QueueReader.open(driver, topic);
    await reader.take(50);
    const slow = reader.find('id-3');
    const rest = reader.leased.filter((leased) => leased !== slow);
    assert.ok((await reader.done(...rest)).every((result) => result === 'settled'));
    await untilCounts(driver, topic, { ready: 1 });
    assert.deepEqual(await reader.settle('back', [slow], { state: 'returned' }), ['settled']);
    await reader.close();
    const heir = await QueueReader.open(driver, topic);
    await publish(driver, topic, 0, 'last');
    const [again, last] = await heir.take(2);
    assert.deepEqual(heir.ids, ['id-3', 'last']);
    assert.deepEqual([again?.state, again?.redelivered], ['returned', false]);
    assert.deepEqual([last?.state, last?.redelivered], [undefined, false]);
    await heir.close();
  });

  it('hands out what an owner held that was put out of the group, as redelivered, and takes nothing more from it', async () => {
    await using driver = await openQueue();
    const topic = await subscribed(driver, 'key', 1);
    const reader = await QueueReader.open(driver, topic, 'main', 5);
    await publish(driver, topic, 0, ...range(20));
    await reader.take(5);
    await reader.done(reader.find('id-0'), reader.find('id-2'));
    assert.equal(await reader.member.note(reader.find('id-1').token, 'tried'), 'kept');
    const stale = reader.find('id-3');
    await evictAll(topic);
    await reader.until((one) => one.has('revoked'));
    assert.deepEqual(await reader.done(stale), ['lost']);
    assert.equal(await reader.member.note(stale.token, 'x'), 'lost');
    // alive as it is, it joins again, as any other would
    const again = (): readonly Leased[] => {
      const from = reader.events.findIndex(({ type }) => type === 'revoked');
      return reader.events
        .slice(from)
        .flatMap((event) => (event.type === 'records' ? event.records : []));
    };
    for (let settled = 0; settled < 18; ) {
      const before = settled;
      await reader.until(() => again().length > before);
      const batch = again().slice(before);
      settled += batch.length;
      assert.ok((await reader.done(...batch)).every((result) => result === 'settled'));
    }
    assert.deepEqual(again().map(idOf), ['id-1', ...range(20).slice(3)]);
    assert.equal(again()[0]?.state, 'tried');
    // no more than it may have held are suspect: its pointer told
    const suspect = again().filter(({ redelivered }) => redelivered).length;
    assert.ok(suspect >= 5 && suspect <= 12, `${suspect} are suspect`);
    assert.ok(
      again()
        .slice(0, suspect)
        .every(({ redelivered }) => redelivered),
    );
    await untilCounts(driver, topic, { ready: 0 });
    await reader.close();
  });

  it('hands out a retry when it is due, also when the one who asked for it has gone', async () => {
    await using driver = await openQueue();
    const topic = await subscribed(driver);
    await publish(driver, topic, 1, 'a', 'b');
    const first = await QueueReader.open(driver, topic);
    await first.take(2);
    const at = Date.now();
    await first.settle('again', [first.find('a')], { state: 'second try', delayMs: 1_500 });
    await first.settle('again', [first.find('b')], { state: 'at once' });
    await first.until(({ ids }) => ids.length === 3);
    assert.deepEqual([first.ids[2], first.leased[2]?.redelivered], ['b', false]);
    await first.done(first.find('b'));
    await untilCounts(driver, topic, { ready: 0, delayed: 1, dead: 0 });
    await first.close();
    const heir = await QueueReader.open(driver, topic);
    const [late] = await heir.take(1);
    assert.ok(Date.now() - at >= 1_500, `${Date.now() - at} ms`);
    assert.deepEqual(
      [idOf(late as never), late?.state, late?.redelivered],
      ['a', 'second try', false],
    );
    await heir.done(late as never);
    await untilCounts(driver, topic, { ready: 0, delayed: 0 });
    await heir.close();
  });

  it('hands out retries when they are due, however many wait longer, and keeps few gaps between these', async () => {
    await using driver = await openQueue();
    const topic = await subscribed(driver);
    const ids = range(4_000);
    const random = new Set(ids.filter(() => Math.random() < 0.5));
    const isLate = (leased: Leased): boolean => random.has(idOf(leased));
    const reader = await QueueReader.open(driver, topic, 'main', 1_000);
    const publishing = (async () => {
      for (let from = 0; from < ids.length; from += 500)
        await publish(driver, topic, 0, ...ids.slice(from, from + 500));
    })();
    const soonOnes = new Set<string>();
    let seen = 0;
    while (soonOnes.size < ids.length - random.size) {
      const before = seen;
      await reader.until(({ leased }) => leased.length > before);
      const batch = reader.leased.slice(before);
      seen += batch.length;
      const fresh = batch.filter(({ state }) => state === undefined);
      const again = batch.filter(({ state }) => state === 'soon');
      // together, so that in the log they lie as they come
      const retried = reader.member.settle(
        fresh.map((one) => ({
          token: one.token,
          verdict: 'again',
          ...(isLate(one) ? { state: 'late', delayMs: 600_000 } : { state: 'soon', delayMs: 0 }),
        })),
      );
      await Promise.all([retried, reader.done(...again)]);
      for (const one of again) {
        assert.ok(!soonOnes.has(idOf(one)), `${idOf(one)} twice`);
        soonOnes.add(idOf(one));
      }
    }
    await publishing;
    await untilCounts(driver, topic, { ready: 0, delayed: random.size });
    await reader.close();
    const [group] = await groupsOf(topic);
    const own = (await withAdmin((admin) => admin.listTopics())).find((name) =>
      name.includes(`subscription.${topic.name}.`),
    ) as string;
    const [pointers] = await withAdmin((admin) =>
      admin.fetchOffsets({ groupId: group as string, topics: [own] }),
    );
    const text = pointers?.partitions.find(({ partition }) => partition === 0)?.metadata ?? '';
    assert.ok(text.length < 3_000, `${text.length} characters`);
    await eventually(
      () => withAdmin((admin) => admin.fetchTopicOffsets(own)),
      (offsets) => Number(offsets.find(({ partition }) => partition === 0)?.low) > 0,
    );
  });

  it('keeps no more of waiting retries in memory than there is room for, and hands out all of them', async () => {
    await using driver = await openQueue();
    const topic = await subscribed(driver, 'key', 1);
    const body = Buffer.alloc(400_000, 'x');
    const ids = range(24);
    for (const id of ids) await driver.publish(topic, 0, [{ ...record(id), body }], soon());
    const reader = await QueueReader.open(driver, topic);
    await reader.take(24);
    await reader.settle('again', reader.leased, { state: 'later', delayMs: 2_000 });
    await reader.close();
    const heir = await QueueReader.open(driver, topic);
    await heir.take(24);
    assert.deepEqual(heir.ids.toSorted(), ids.toSorted());
    assert.ok(
      heir.leased.every((one) => one.body?.length === body.length && one.state === 'later'),
    );
    await heir.done(...heir.leased);
    await untilCounts(driver, topic, { delayed: 0 });
    await heir.close();
  });

  it('lets every consumer and every partition have its share where there is no order', async () => {
    await using driver = await openQueue({ unorderedPartitions: 4 });
    await using other = await openQueue();
    const topic = await subscribed(driver);
    assert.equal(topic.partitions, 4);
    const first = await QueueReader.open(driver, topic, 'main', 10);
    await first.until(({ owned }) => owned.size === 4);
    const second = await QueueReader.open(other, topic, 'main', 10);
    await Promise.all([
      first.until((one) => one.has('revoking') && one.owned.size === 2),
      second.until(({ owned }) => owned.size === 2),
    ]);
    const readers = [first, second];
    for (let partition = 0; partition < 4; partition += 1)
      await publish(driver, topic, partition, ...range(100, `${partition}-`));
    const drain = async (reader: QueueReader): Promise<void> => {
      for (let settled = 0; settled < 200; ) {
        const before = settled;
        await reader.until(({ leased }) => leased.length > before);
        const batch = reader.leased.slice(before);
        // what is held of all partitions together is within the credit
        assert.ok(batch.length <= 10, `${batch.length} at once`);
        settled += batch.length;
        const results = await reader.done(...batch);
        assert.ok(results.every((result) => result === 'settled'));
      }
      // a partition that is full of documents did not hold up the others until it was empty
      const firstHalf = reader.ids.slice(0, 150).map((id) => id.slice(0, 1));
      assert.equal(new Set(firstHalf).size, 2);
    };
    await Promise.all(readers.map(drain));
    assert.equal(new Set(readers.flatMap(({ ids }) => ids)).size, 400);
    await Promise.all(readers.map((reader) => reader.close()));
  });
});
