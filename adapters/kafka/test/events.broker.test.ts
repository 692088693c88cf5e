import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { eventually, soon } from './support/driver.ts';
import {
  groupsOf,
  heldByKafka,
  idOf,
  makeEventTopic,
  openQueue,
  publish,
  QueueReader,
  range,
  subscribed,
  untilCounts,
  untilOwnTopics,
  withAdmin,
} from './support/queue.ts';

describe('subscriptions on Kafka', { concurrency: 3 }, () => {
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
    await untilOwnTopics(topic, 1);
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
    await untilOwnTopics(topic, 0);
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

  it('goes on behind what somebody has deleted from the log', async () => {
    await using driver = await openQueue();
    const topic = await subscribed(driver, 'key', 1);
    await publish(driver, topic, 0, ...range(10));
    const kafkaTopic = `__duobus.event.${topic.name}`;
    const partitions = [{ partition: 0, offset: '4' }];
    await withAdmin(async (admin) => {
      await admin.fetchTopicOffsets(kafkaTopic); // kafkajs finds the leader of topics it has looked at alone
      await admin.deleteTopicRecords({ topic: kafkaTopic, partitions });
    });
    await untilCounts(driver, topic, { ready: 6 });
    const reader = await QueueReader.open(driver, topic);
    await reader.take(6);
    assert.deepEqual(reader.ids, range(10).slice(4));
    await reader.done(...reader.leased);
    await untilCounts(driver, topic, { ready: 0 });
    await reader.close();
  });

  it('refuses a Kafka topic that would drop documents', async () => {
    await using driver = await openQueue();
    const topic = await makeEventTopic(driver);
    const name = `__duobus.event.${topic.name}`;
    await withAdmin(async (admin) => {
      await admin.alterConfigs({
        validateOnly: false,
        resources: [{ type: 2, name, configEntries: [{ name: 'retention.ms', value: '60000' }] }],
      });
      // the broker hears a little later of what the controller has been told
      await eventually(
        () =>
          admin.describeConfigs({
            includeSynonyms: false,
            resources: [{ type: 2, name, configNames: ['retention.ms'] }],
          }),
        ({ resources }) => resources[0]?.configEntries[0]?.configValue === '60000',
      );
    });
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
