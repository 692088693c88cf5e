import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type Broker, startBroker } from '@duobus/brokers';
import { BusError, type LogDriver, type Outcome, type StoredTopic } from '@duobus/core/driver';
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

const statuses = (outcomes: readonly Outcome[]): string[] => [
  ...new Set(outcomes.map(({ status }) => status)),
];

async function readAll(
  driver: LogDriver,
  topic: StoredTopic,
  partition: number,
): Promise<string[]> {
  const all: string[] = [];
  for (let offset = 0; ; ) {
    const {
      records: some,
      next,
      atEnd,
    } = await driver.read(
      topic,
      partition,
      at(offset),
      { maxBytes: 1_000_000, maxWaitMs: 0 },
      soon(),
    );
    all.push(...some.map(textOf));
    if (atEnd) return all;
    offset = next.offset;
  }
}

/** What the runtime does: opens again and tries again what is certainly not stored, or can be recognised. */
async function appendUntilStored(
  driver: LogDriver,
  topic: StoredTopic,
  partition: number,
  batch: ReturnType<typeof records>,
): Promise<readonly Outcome[]> {
  return await eventually(
    async () => {
      await driver.open(soon()).catch(() => undefined); // tried again until it is stored
      return await driver.append(topic, partition, batch, soon());
    },
    (outcomes) => outcomes.every(({ status }) => status === 'stored'),
    60_000,
  );
}

describe('faults of Kafka', () => {
  let broker: Broker;
  let driver: LogDriver;

  before(async () => {
    broker = await startBroker('kafka');
    driver = await openDriver({ requestTimeoutMs: 3_000, connectTimeoutMs: 2_000 }, broker.url);
  });
  after(async () => {
    await driver.close();
    await broker.stop();
  });

  it('reports unknown when the broker does not answer, and the same array is stored once', async () => {
    const topic = await makeTopic(driver, { partitions: 1 });
    await driver.append(topic, 0, records(['before']), soon());
    const batch = records(numbered(0, 100));
    broker.freeze();
    const outcomes = await driver.append(topic, 0, batch, soon());
    broker.thaw();
    assert.deepEqual(statuses(outcomes), ['unknown']);
    await appendUntilStored(driver, topic, 0, batch);
    await driver.append(topic, 0, records(['after']), soon());
    assert.deepEqual(await readAll(driver, topic, 0), ['before', ...numbered(0, 100), 'after']);
  });

  it('keeps to the signal while the broker does not answer', async () => {
    const topic = await makeTopic(driver, { partitions: 1 });
    broker.freeze();
    try {
      const began = Date.now();
      await assert.rejects(driver.bounds(topic, AbortSignal.timeout(300)), {
        name: 'TimeoutError',
      });
      await assert.rejects(driver.pointers(topic, 'g', AbortSignal.timeout(300)), {
        name: 'TimeoutError',
      });
      assert.ok(Date.now() - began < 2_000);
    } finally {
      broker.thaw();
    }
  });

  it('loses no confirmed record and repeats none over a kill of the broker, and consumers go on', async () => {
    const topic = await makeTopic(driver, { partitions: 2 });
    const consumer = await Consumer.join(driver, topic, 'g');
    await consumer.untilOwning(2);
    await driver.append(topic, 0, records(numbered(0, 50)), soon());
    await consumer.until(() => consumer.got.length === 50, '50 records');
    await consumer.commit(0, 50);
    await broker.kill9();
    const during = await driver.append(topic, 0, records(numbered(50, 50)), soon());
    assert.ok(
      during.every(
        (outcome) =>
          outcome.status !== 'stored' &&
          outcome.error.code === 'DUOBUS_UNAVAILABLE' &&
          outcome.error.retryable,
      ),
    );
    await assert.rejects(
      driver.bounds(topic, soon()),
      (error) => BusError.is(error, 'DUOBUS_UNAVAILABLE') && error.retryable,
    );
    await broker.start();
    await appendUntilStored(driver, topic, 0, records(numbered(50, 50)));
    const texts = await readAll(driver, topic, 0);
    assert.deepEqual(texts, numbered(0, 100));
    let current = consumer;
    await eventually(
      async () => {
        if (current.events.some(({ type }) => type === 'lost')) {
          await current.close();
          current = await Consumer.join(driver, topic, 'g');
        }
        return [...consumer.got, ...(current === consumer ? [] : current.got)].map(
          ({ text }) => text,
        );
      },
      (got) => new Set(got).size === 100,
      60_000,
    );
    const got = [...consumer.got, ...(current === consumer ? [] : current.got)].map(
      ({ text }) => text,
    );
    assert.equal(got.length, 100);
    await current.close();
  });

  it('ends a member with lost when the broker stays away, and closes within seconds', async () => {
    const topic = await makeTopic(driver, { partitions: 1 });
    const consumer = await Consumer.join(driver, topic, 'g');
    await consumer.untilOwning(1);
    const abandoned = await openDriver({}, broker.url);
    const other = await abandoned.join(topic, 'h', crypto.randomUUID(), soon());
    await other.receive(soon());
    await broker.kill9();
    const began = Date.now();
    await abandoned.close();
    assert.ok(Date.now() - began < 5_000);
    await consumer.until(() => consumer.events.some(({ type }) => type === 'lost'), 'lost', 30_000);
    const lost = consumer.events.find((event) => event.type === 'lost');
    assert.ok(
      lost?.type === 'lost' && lost.error.retryable && lost.error.code === 'DUOBUS_UNAVAILABLE',
    );
    await consumer.close();
    await broker.start();
    await eventually(
      async () =>
        driver.open(soon()).then(
          () => true,
          () => false,
        ),
      (open) => open,
      60_000,
    );
  });

  it('says what is wrong when there is no broker', async () => {
    const nowhere = openDriver({ connectTimeoutMs: 500 }, 'kafka://127.0.0.1:1');
    await assert.rejects(
      nowhere,
      (error) => BusError.is(error, 'DUOBUS_UNAVAILABLE') && error.message.includes('127.0.0.1:1'),
    );
  });
});
