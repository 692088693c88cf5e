import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { BusError, type LogDriver } from '@duobus/core/driver';
import {
  Consumer,
  eventually,
  makeTopic,
  openDriver,
  records,
  soon,
  wantedTopic,
} from './support/driver.ts';
import { withAdmin } from './support/foreign.ts';

const topicResource = 2;

const configsOf = (name: string): Promise<Map<string, string>> =>
  withAdmin(async (admin) => {
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: [{ type: topicResource, name }],
    });
    return new Map(
      resources[0]?.configEntries.map(({ configName, configValue }) => [configName, configValue]),
    );
  });

const notFound =
  (part: string) =>
  (error: unknown): boolean =>
    BusError.is(error, 'DUOBUS_NOT_FOUND') && error.message.includes(part);

describe('topics on Kafka', () => {
  let driver: LogDriver;
  let other: LogDriver;

  before(async () => {
    driver = await openDriver();
    other = await openDriver();
  });
  after(() => Promise.all([driver.close(), other.close()]));

  it('are made once: racing callers get the same record', async () => {
    const name = `race-${randomUUID()}`;
    const drivers = await Promise.all([openDriver(), openDriver()]);
    const calls = [driver, other, ...drivers].flatMap((one) =>
      [wantedTopic({ name }), wantedTopic({ name, partitions: 5 })].map((wanted) =>
        one.ensureTopic(wanted, 'create', soon()),
      ),
    );
    const [first, ...rest] = await Promise.all(calls);
    for (const record of rest) assert.deepEqual(record, first);
    await Promise.all(drivers.map((one) => one.close()));
  });

  it('have append times and the retention asked for', async () => {
    const topic = await makeTopic(driver, { retention: { maxAgeMs: 60_000, maxBytes: 8_000_000 } });
    const configs = await configsOf(topic.name);
    const wanted = {
      'message.timestamp.type': 'LogAppendTime',
      'retention.ms': '60000',
      'retention.bytes': '8000000',
      'segment.bytes': '2000000',
      'cleanup.policy': 'delete',
    };
    for (const [name, value] of Object.entries(wanted))
      assert.equal(configs.get(name), value, name);
    const compacted = await makeTopic(driver, { compacted: true });
    assert.equal((await configsOf(compacted.name)).get('cleanup.policy'), 'compact');
  });

  it('take the replication settings of the adapter', async () => {
    const own = await openDriver({
      replicationFactor: 1,
      minInsyncReplicas: 1,
      maxMessageBytes: 2_000_000,
    });
    const topic = await makeTopic(own);
    const configs = await configsOf(topic.name);
    assert.equal(configs.get('min.insync.replicas'), '1');
    assert.equal(configs.get('max.message.bytes'), '2000000');
    await own.close();
    const tooMany = await openDriver({ replicationFactor: 7 });
    await assert.rejects(
      makeTopic(tooMany),
      (error) => BusError.is(error, 'DUOBUS_INVALID') && error.message.includes('replication'),
    );
    await tooMany.close();
  });

  it("are not made by 'check', which says what is missing", async () => {
    const wanted = wantedTopic();
    await assert.rejects(driver.ensureTopic(wanted, 'check', soon()), notFound(`'${wanted.name}'`));
    assert.deepEqual(await driver.topics([wanted.name], soon()), []);
    await withAdmin((admin) =>
      admin.createTopics({ topics: [{ topic: wanted.name, numPartitions: 1 }] }),
    );
    await assert.rejects(driver.ensureTopic(wanted, 'check', soon()), notFound('no record'));
    const made = await driver.ensureTopic(wanted, 'create', soon());
    assert.deepEqual(
      await other.ensureTopic(wantedTopic({ name: wanted.name }), 'check', soon()),
      made,
    );
  });

  it('are adopted where they were there before, and keep their settings', async () => {
    const name = `adopted-${randomUUID()}`;
    await withAdmin((admin) =>
      admin.createTopics({
        topics: [
          {
            topic: name,
            numPartitions: 3,
            configEntries: [
              { name: 'retention.ms', value: '7200000' },
              { name: 'segment.ms', value: '600000' },
            ],
          },
        ],
      }),
    );
    const wanted = wantedTopic({ name, partitions: 8 });
    const topic = await driver.ensureTopic(wanted, 'create', soon());
    assert.deepEqual(topic, {
      ...wanted,
      partitions: 3,
      retention: { maxAgeMs: 7_200_000, maxBytes: null },
    });
    assert.equal((await configsOf(name)).get('segment.ms'), '600000');
  });

  it('get a new record, and so a new incarnation, after they were deleted and made anew', async () => {
    const topic = await makeTopic(driver);
    await withAdmin((admin) => admin.deleteTopics({ topics: [topic.name] }));
    await eventually(
      () => driver.topics([topic.name], soon()),
      (found) => found.length === 0,
    );
    await assert.rejects(other.ensureTopic(topic, 'check', soon()), notFound(topic.name));
    const again = await other.ensureTopic(wantedTopic({ name: topic.name }), 'create', soon());
    assert.notEqual(again.incarnation, topic.incarnation);
    assert.deepEqual(
      await driver.ensureTopic(wantedTopic({ name: topic.name }), 'create', soon()),
      again,
    );
    await withAdmin((admin) => admin.deleteTopics({ topics: [topic.name] }));
    await withAdmin((admin) =>
      admin.createTopics({ topics: [{ topic: topic.name, numPartitions: 4 }] }),
    );
    const foreign = await driver.ensureTopic(wantedTopic({ name: topic.name }), 'create', soon());
    assert.equal(foreign.partitions, 4);
    assert.notEqual(foreign.incarnation, again.incarnation);
    await assert.rejects(driver.bounds(topic, soon()), (error) =>
      BusError.is(error, 'DUOBUS_NOT_FOUND'),
    );
  });

  it('end their members with gone when they are deleted', async () => {
    const topic = await makeTopic(driver);
    const consumer = await Consumer.join(driver, topic, 'g');
    await consumer.untilOwning(2);
    await withAdmin((admin) => admin.deleteTopics({ topics: [topic.name] }));
    await consumer.until(() => consumer.events.some(({ type }) => type === 'gone'), 'gone');
    const gone = consumer.events.find((event) => event.type === 'gone');
    assert.ok(gone?.type === 'gone' && gone.error.code === 'DUOBUS_NOT_FOUND');
    await consumer.close();
  });

  it('are altered by compare-and-set, and tell the partitions that someone else has added', async () => {
    const topic = await makeTopic(driver, { retention: { maxAgeMs: 60_000, maxBytes: null } });
    await withAdmin((admin) =>
      admin.alterConfigs({
        validateOnly: false,
        resources: [
          {
            type: topicResource,
            name: topic.name,
            configEntries: [
              { name: 'max.message.bytes', value: '500000' },
              { name: 'message.timestamp.type', value: 'LogAppendTime' },
            ],
          },
        ],
      }),
    );
    const longer = { ...topic, retention: { maxAgeMs: 120_000, maxBytes: 4_000_000 } };
    assert.deepEqual(await driver.alterTopic(topic, longer, soon()), longer);
    const configs = await configsOf(topic.name);
    assert.equal(configs.get('retention.ms'), '120000');
    assert.equal(
      configs.get('max.message.bytes'),
      '500000',
      'a setting that was not named has been reset',
    );
    await assert.rejects(other.alterTopic(topic, { ...topic, partitions: 9 }, soon()), (error) =>
      BusError.is(error, 'DUOBUS_CONFLICT'),
    );
    await withAdmin((admin) =>
      admin.createPartitions({ topicPartitions: [{ topic: topic.name, count: 4 }] }),
    );
    const [shown] = await eventually(
      () => other.topics([topic.name], soon()),
      ([found]) => found?.partitions === 4,
    );
    assert.deepEqual(shown, { ...longer, partitions: 4 });
    const wider = await other.alterTopic(
      { ...longer, partitions: 4 },
      { ...longer, partitions: 6 },
      soon(),
    );
    assert.equal(wider.partitions, 6);
    assert.deepEqual(
      await driver.ensureTopic(wantedTopic({ name: topic.name }), 'create', soon()),
      wider,
    );
  });

  it('of several that alter at once only one succeeds', async () => {
    const topic = await makeTopic(driver);
    const results = await Promise.allSettled(
      [driver, other].map((one, index) =>
        one.alterTopic(topic, { ...topic, partitions: 3 + index }, soon()),
      ),
    );
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
  });

  it('are listed by name and all, with what other processes made', async () => {
    const made = await Promise.all([makeTopic(driver), makeTopic(other)]);
    const names = made.map(({ name }) => name);
    const found = await driver.topics([...names, 'never-made'], soon());
    assert.deepEqual(found.map(({ name }) => name).toSorted(), names.toSorted());
    const all = (await driver.topics(undefined, soon())).map(({ name }) => name);
    assert.ok(names.every((name) => all.includes(name)));
  });

  it('keep names apart that Kafka itself would not', async () => {
    const tail = randomUUID().slice(0, 8);
    const names = [`a.b-${tail}`, `a_b-${tail}`, `A.b-${tail}`];
    const topics = [];
    for (const name of names) topics.push(await makeTopic(driver, { name, partitions: 1 }));
    for (const topic of topics) await driver.append(topic, 0, records([topic.name]), soon());
    for (const topic of topics) {
      const same = await other.ensureTopic(wantedTopic({ name: topic.name }), 'create', soon());
      const [bounds] = await other.bounds(same, soon());
      assert.equal(bounds?.end.offset, 1);
    }
  });
});
