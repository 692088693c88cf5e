import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { LogDriver } from '@duobus/core/driver';
import {
  at,
  Consumer,
  eventually,
  makeTopic,
  numbered,
  openDriver,
  records,
  soon,
  textOf,
} from './support/driver.ts';
import { foreignKafka } from './support/foreign.ts';

const offsetValueWithExpiry = 1;

describe('traps of Kafka and its client', () => {
  let driver: LogDriver;

  before(async () => {
    driver = await openDriver();
  });
  after(() => driver.close());

  it('an idle connection arms no timers (kafkajs 1751)', async () => {
    const own = await openDriver();
    const topic = await makeTopic(own);
    await own.append(topic, 0, records(['x']), soon());
    await own.read(topic, 0, at(0), { maxBytes: 1_000, maxWaitMs: 0 }, soon());
    const original = globalThis.setTimeout;
    let armed = 0;
    globalThis.setTimeout = ((...args: Parameters<typeof original>) => {
      if (Number(args[1]) <= 1) armed += 1;
      return original(...args);
    }) as typeof original;
    await new Promise((resolve) => original(resolve, 500));
    globalThis.setTimeout = original;
    await own.close();
    assert.ok(armed < 10, `${armed} timers of a millisecond in half a second`);
  });

  it('offsets are stored with an expiry years away, by members and by edits', async () => {
    const topic = await makeTopic(driver, { partitions: 1 });
    await driver.edit(topic, 'g', () => ({ place: at(0), text: 'edited' }), 1_000, soon());
    const member = await Consumer.join(driver, topic, 'g');
    await member.untilOwning(1);
    await member.commit(0, 0, 'committed');
    await member.close();
    const found = new Map<string, number>();
    const consumer = foreignKafka().consumer({
      groupId: `spy-${topic.name}`,
      maxWaitTimeInMs: 100,
    });
    await consumer.connect();
    await consumer.subscribe({ topics: ['__consumer_offsets'], fromBeginning: true });
    await consumer.run({
      eachMessage: async ({ message: { key, value } }) => {
        if (
          !key?.includes(`duobus:${topic.name}:g`) ||
          value?.readInt16BE(0) !== offsetValueWithExpiry
        )
          return;
        const length = value.readInt16BE(10);
        const text = value.toString('utf8', 12, 12 + length);
        found.set(
          text,
          Number(value.readBigInt64BE(20 + length) - value.readBigInt64BE(12 + length)),
        );
      },
    });
    await eventually(
      async () => found,
      ({ size }) => size === 2,
    );
    await consumer.disconnect();
    for (const text of ['edited', 'committed'])
      assert.ok((found.get(text) ?? 0) > 9 * 365 * 86_400_000, text);
  });

  it('first requests that overlap share a connection (kafkajs opens a second over the first)', async () => {
    const topic = await makeTopic(driver, { partitions: 4 });
    const own = await openDriver();
    await own.topics([topic.name], soon());
    const outcomes = await Promise.all(
      [0, 1, 2, 3].map((partition) => own.append(topic, partition, records(['x']), soon())),
    );
    assert.ok(outcomes.flat().every(({ status }) => status === 'stored'));
    const began = Date.now();
    await own.close();
    assert.ok(Date.now() - began < 1_000);
  });

  it('partitions whose calls overlap keep the order of their calls (kafkajs swaps the last two)', async () => {
    const topic = await makeTopic(driver, { partitions: 4 });
    await Promise.all(
      [0, 1, 2, 3].map(async (partition) => {
        for (let call = 0; call < 50; call += 1)
          await driver.append(topic, partition, records(numbered(call * 10, 10)), soon());
      }),
    );
    for (let partition = 0; partition < 4; partition += 1) {
      const { records: all } = await driver.read(
        topic,
        partition,
        at(0),
        { maxBytes: 10_000_000, maxWaitMs: 0 },
        soon(),
      );
      assert.deepEqual(all.map(textOf), numbered(0, 500));
    }
  });

  it('one partition that is out of range does not hold up the others of the fetch', async () => {
    const topic = await makeTopic(driver, { partitions: 2 });
    const consumer = await Consumer.join(driver, topic, 'g');
    await consumer.untilOwning(2);
    consumer.member.start(0, consumer.tokenOf(0), at(1_000));
    await driver.append(topic, 1, records(['fine']), soon());
    await consumer.until(
      () => consumer.got.length === 1 && consumer.events.some(({ type }) => type === 'trimmed'),
      'both',
    );
    await driver.append(topic, 1, records(['and on']), soon());
    await consumer.until(() => consumer.got.length === 2, 'the next');
    assert.equal(consumer.events.filter(({ type }) => type === 'trimmed').length, 1);
    await consumer.close();
  });

  it('a member that closes, while it joins or later, does not hold up the group', async () => {
    const topic = await makeTopic(driver, { partitions: 2 });
    for (let round = 0; round < 5; round += 1) {
      const member = await driver.join(topic, 'g', crypto.randomUUID(), soon());
      // in the first rounds before or while it joins, in the last as an owner
      if (round < 3)
        for (let turn = 0; turn < round * 4; turn += 1) await driver.bounds(topic, soon());
      else await member.receive(soon());
      await member.close();
    }
    const began = Date.now();
    const consumer = await Consumer.join(driver, topic, 'g');
    await consumer.untilOwning(2);
    assert.ok(Date.now() - began < 4_000, 'a member was left behind');
    await consumer.close();
  });
});
