import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Leased, StoredTopic } from '@duobus/core/driver';
import { testUrl } from '@duobus/brokers';
import { Carrier } from '../src/carrier.ts';
import { evict } from '../src/group-eviction.ts';
import { optionsOfUrl, settingsOf } from '../src/options.ts';
import { eventually, soon } from './support/driver.ts';
import {
  heldByKafka,
  idOf,
  makeEventTopic,
  openQueue,
  publish,
  QueueReader,
  range,
  subscribed,
  untilCounts,
  withAdmin,
} from './support/queue.ts';

async function groupsOf(topic: StoredTopic): Promise<readonly string[]> {
  const { groups } = await withAdmin((admin) => admin.listGroups());
  return groups.map(({ groupId }) => groupId).filter((id) => id.includes(`:${topic.name}:`));
}

/** Puts all members out of the subscription's group, as if their processes had been silent for too long. */
async function evictAll(topic: StoredTopic): Promise<void> {
  const carrier = new Carrier(settingsOf(optionsOfUrl(testUrl('kafka'))));
  try {
    for (const id of await groupsOf(topic)) await evict(carrier, id, () => true, soon());
  } finally {
    carrier.close();
  }
}

describe('the event bus on Kafka', { concurrency: 3 }, () => {
  it('has committed where a subscription begins when that resolves', async () => {
    await using driver = await openQueue();
    const topic = await makeEventTopic(driver, 'key', 3);
    await publish(driver, topic, 1, 'before');
    await driver.ensureSubscription(topic, 'sub', 'create', soon());
    const [group] = await groupsOf(topic);
    const offsets = await withAdmin((admin) =>
      admin.fetchOffsets({ groupId: group as string, topics: [`__duobus.event.${topic.name}`] }),
    );
    const found = offsets[0]?.partitions.toSorted((a, b) => a.partition - b.partition);
    assert.deepEqual(
      found?.map(({ offset }) => offset),
      ['0', '1', '0'],
    );
  });

  it('lets one of two creators create, and leaves nothing of the other', async () => {
    await using first = await openQueue();
    await using second = await openQueue();
    const topic = await makeEventTopic(first);
    const made = await Promise.all(
      [first, second].map((driver) => driver.ensureSubscription(topic, 'sub', 'create', soon())),
    );
    assert.deepEqual(made.toSorted(), ['created', 'existed']);
    assert.equal((await groupsOf(topic)).length, 1);
    const own = await withAdmin((admin) => admin.listTopics());
    assert.equal(own.filter((name) => name.includes(`subscription.${topic.name}.`)).length, 1);
  });

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

  it('deletes what all subscriptions have settled, and nothing that one has not', async () => {
    await using driver = await openQueue();
    const topic = await subscribed(driver);
    await driver.ensureSubscription(topic, 'other', 'create', soon());
    await publish(driver, topic, 0, ...range(30));
    const reader = await QueueReader.open(driver, topic);
    await reader.take(30);
    await reader.settle('dead', [reader.find('id-29')], { state: 'x' });
    await reader.done(...reader.leased.slice(0, 29));
    const slow = new QueueReader(await driver.consume(topic, 'other', 'main', 100, soon()));
    await slow.take(30);
    await slow.done(...slow.leased.slice(10));
    await slow.settle('back', slow.leased.slice(0, 10));
    await slow.close();
    const heir = new QueueReader(await driver.consume(topic, 'other', 'main', 100, soon()));
    await heir.take(10);
    assert.deepEqual(heir.ids, range(10));
    await heir.done(...heir.leased);
    const letters = await QueueReader.open(driver, topic, 'dead');
    await letters.until((one) => one.has('idle'));
    await letters.done(...letters.leased);
    await letters.close();
    await eventually(
      () => heldByKafka(topic.name),
      (held) => held === 0,
    );
    await heir.close();
    await reader.close();
  });

  it('loses nothing for subscriptions that are made while others are settling and deleting', async () => {
    await using driver = await openQueue();
    await using other = await openQueue();
    const topic = await subscribed(driver, 'key', 1);
    const reader = await QueueReader.open(driver, topic);
    let published = 0;
    const next = async (): Promise<string> => {
      published += 1;
      await publish(driver, topic, 0, `n-${published}`);
      return `n-${published}`;
    };
    let settled = 0;
    for (let round = 0; round < 6; round += 1) {
      const name = `s-${round}`;
      const traffic = (async () => {
        for (let count = 0; count < 20; count += 1) {
          await next();
          await reader.take(published);
          await reader.done(...reader.leased.slice(settled));
          settled = reader.leased.length;
        }
      })();
      await other.ensureSubscription(topic, name, 'create', soon());
      await traffic;
      const id = await next();
      const late = new QueueReader(await other.consume(topic, name, 'main', 1_000, soon()));
      await late.until(({ ids }) => ids.includes(id));
      // no gap: from wherever it began, everything to the end
      const from = Number((late.ids[0] as string).slice(2));
      const wanted = Array.from(
        { length: published - from + 1 },
        (_, index) => `n-${from + index}`,
      );
      assert.deepEqual(late.ids, wanted);
      await late.close();
    }
    await reader.close();
  });

  it('ends its consumers when a subscription is removed, and leaves nothing of it', async () => {
    await using driver = await openQueue();
    await using other = await openQueue();
    const topic = await subscribed(driver);
    const reader = await QueueReader.open(driver, topic);
    await reader.until(({ owned }) => owned.size === topic.partitions);
    await other.removeSubscription(topic, 'sub', soon());
    await other.removeSubscription(topic, 'sub', soon());
    await reader.until((one) => one.has('gone'));
    await reader.close();
    assert.deepEqual(await groupsOf(topic), []);
    await assert.rejects(driver.consume(topic, 'sub', 'main', 10, soon()), {
      code: 'DUOBUS_NOT_FOUND',
    });
    await assert.rejects(driver.inspect(topic, 'sub', soon()), { code: 'DUOBUS_NOT_FOUND' });
    const names = await withAdmin((admin) => admin.listTopics());
    assert.ok(!names.some((name) => name.includes(`subscription.${topic.name}`)));
    assert.equal(await driver.ensureSubscription(topic, 'sub', 'create', soon()), 'created');
  });

  it('goes on where it was when somebody has deleted its group', async () => {
    await using driver = await openQueue();
    const topic = await subscribed(driver, 'key', 2);
    // holds everything back, so that what is settled stays in the log
    await driver.ensureSubscription(topic, 'other', 'create', soon());
    const before = await openQueue();
    const reader = await QueueReader.open(before, topic);
    for (const partition of [0, 1])
      await publish(driver, topic, partition, ...range(10, `${partition}-`));
    await reader.take(20);
    await reader.done(...reader.leased.filter((leased) => idOf(leased) !== '1-4'));
    await reader.settle('back', [reader.find('1-4')], { state: 'returned' });
    await reader.close();
    await before.close();
    const group = (await groupsOf(topic)).find((id) => id.includes(':sub:'));
    await withAdmin((admin) => admin.deleteGroups([group as string]));
    await publish(driver, topic, 0, 'new');
    await untilCounts(driver, topic, { ready: 2 });
    const heir = await QueueReader.open(driver, topic);
    await heir.take(2);
    assert.deepEqual(heir.ids.toSorted(), ['1-4', 'new']);
    await heir.done(...heir.leased);
    await untilCounts(driver, topic, { ready: 0 });
    await heir.close();
  });

  it('refuses a Kafka topic that would drop documents', async () => {
    await using driver = await openQueue();
    const topic = await makeEventTopic(driver);
    await withAdmin((admin) =>
      admin.alterConfigs({
        validateOnly: false,
        resources: [
          {
            type: 2,
            name: `__duobus.event.${topic.name}`,
            configEntries: [{ name: 'retention.ms', value: '60000' }],
          },
        ],
      }),
    );
    await assert.rejects(driver.ensureTopic(topic, 'create', soon()), {
      code: 'DUOBUS_TOPIC_MISMATCH',
      message: /retention\.ms=60000/,
    });
  });

  it('shares partitions among consumers, hands over what is asked back, and notices added ones', async () => {
    await using driver = await openQueue();
    await using other = await openQueue();
    const topic = await subscribed(driver, 'key', 4);
    const first = await QueueReader.open(driver, topic);
    await first.until(({ owned }) => owned.size === 4);
    const second = await QueueReader.open(other, topic);
    await Promise.all([
      second.until(({ owned }) => owned.size === 2),
      first
        .until((one) => one.has('revoking'))
        .then(() => first.until(({ owned }) => owned.size === 2)),
    ]);
    const grown = await driver.alterTopic(topic, { ...topic, partitions: 6 }, soon());
    await publish(driver, grown, 5, 'in a new one');
    const got = await Promise.race(
      [first, second].map((one) => one.until(({ ids }) => ids.length > 0)),
    );
    assert.deepEqual(got.ids, ['in a new one']);
    await Promise.all([first.close(), second.close()]);
  });
});
