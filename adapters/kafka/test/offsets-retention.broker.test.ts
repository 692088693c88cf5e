import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Broker, startBroker } from '@duobus/brokers';
import { eventually, soon } from './support/driver.ts';
import { openQueue, publish, QueueReader, range, subscribed, withAdmin } from './support/queue.ts';

const control = 'committed-without-asking';

describe('a Kafka that drops the offsets of groups without members after a minute', () => {
  let broker: Broker;

  before(async () => {
    broker = await startBroker('kafka', {
      config: { 'offsets.retention.minutes': 1, 'offsets.retention.check.interval.ms': 500 },
    });
  });
  after(() => broker.stop());

  it('drops nothing of a subscription, neither what it has settled nor what it has not', async () => {
    const driver = await openQueue({}, broker.url);
    const topic = await subscribed(driver, 'key', 2);
    // keeps everything in the log, so that a pointer that is lost would show
    await driver.ensureSubscription(topic, 'other', 'create', soon());
    await publish(driver, topic, 0, ...range(10));
    const reader = await QueueReader.open(driver, topic);
    await reader.take(10);
    await reader.done(...reader.leased.slice(0, 6));
    await reader.settle('again', [reader.find('id-6')], { state: 'retry', delayMs: 1 });
    await reader.settle('dead', [reader.find('id-7')], { state: 'dead' });
    await reader.settle('back', reader.leased.slice(8, 10), { state: 'returned' });
    await reader.close();
    await driver.close();
    await withAdmin(
      (admin) =>
        admin.setOffsets({
          groupId: control,
          topic: `__duobus.event.${topic.name}`,
          partitions: [{ partition: 0, offset: '5' }],
        }),
      broker.url,
    );
    await withAdmin(
      (admin) =>
        eventually(
          () => admin.fetchOffsets({ groupId: control, topics: [`__duobus.event.${topic.name}`] }),
          (offsets) => offsets[0]?.partitions.every(({ offset }) => offset === '-1') ?? false,
          120_000,
        ),
      broker.url,
    );
    const later = await openQueue({}, broker.url);
    const { ready, delayed, dead } = await later.inspect(topic, 'sub', soon());
    assert.deepEqual([ready, delayed, dead], [2, 1, 1]);
    const heir = await QueueReader.open(later, topic);
    await heir.take(3);
    assert.deepEqual(heir.ids.toSorted(), ['id-6', 'id-8', 'id-9']);
    await heir.close();
    await later.close();
  });
});
