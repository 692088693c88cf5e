import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { connect } from 'amqplib';
import { nodeUrls, testUrl } from '@duobus/brokers';
import { BusError } from '@duobus/core/driver';
import { record, soon } from './support/driver.ts';
import { partitionStream } from '../src/topology.ts';
import {
  append,
  boundsOf,
  Consumer,
  makeLog,
  numbered,
  openLog,
  readAll,
  small,
  textOf,
} from './support/log.ts';

const limits = { maxBytes: 1_000_000, maxWaitMs: 0 };

describe('the log driver', () => {
  it('keeps what is appended, in order, with headers and bytes as they were', async () => {
    await using driver = await openLog();
    const topic = await makeLog(driver);
    const calls = numbered(0, 40).map((id) => append(driver, topic, [`${id}a`, `${id}b`]));
    await Promise.all(calls);
    const records = await readAll(driver, topic);
    assert.deepEqual(
      records.map(textOf),
      numbered(0, 40).flatMap((id) => [`${id}a`, `${id}b`]),
    );
    const offsets = records.map(({ offset }) => offset);
    assert.deepEqual(
      offsets,
      offsets.toSorted((a, b) => a - b),
    );
    assert.deepEqual(Object.keys(records[0]?.headers ?? {}).toSorted(), [
      'cloudEvents:id',
      'cloudEvents:source',
      'cloudEvents:specversion',
      'cloudEvents:type',
      'content-type',
    ]);
    assert.ok(records.every(({ time }) => Math.abs(Date.now() - time) < 60_000));
  });

  it('keeps the keys of compacted topics, and what was removed', async () => {
    await using driver = await openLog();
    const topic = await makeLog(driver, { compacted: true });
    const kept = { ...record('a'), key: '["k",1]' };
    await driver.append(topic, 0, [kept, { key: 'gone', headers: {}, body: null }], soon());
    const records = await readAll(driver, topic);
    assert.deepEqual(
      records.map(({ key, body }) => [key, body === null]),
      [
        ['["k",1]', false],
        ['gone', true],
      ],
    );
  });

  it('tells an empty log from a slow one, and the ends of one that grows', async () => {
    await using driver = await openLog();
    const topic = await makeLog(driver);
    const empty = await boundsOf(driver, topic);
    assert.equal(empty.first.offset, empty.end.offset);
    assert.deepEqual((await driver.read(topic, 0, empty.first, limits, soon())).records, []);
    await append(driver, topic, numbered(0, 3));
    for (let look = 0; look < 150; look += 1) {
      const { first, end } = await boundsOf(driver, topic);
      assert.deepEqual([first.offset, end.offset - first.offset], [empty.first.offset, 3]);
    }
    const growing = new AbortController();
    let confirmed = 0;
    const grow = (async () => {
      for (; !growing.signal.aborted; confirmed += 50)
        await append(driver, topic, numbered(confirmed, 50));
    })();
    for (let look = 0; look < 40; look += 1) {
      const before = confirmed;
      const { first, end } = await boundsOf(driver, topic);
      assert.equal(first.offset, empty.first.offset);
      assert.ok(
        end.offset - first.offset >= before + 3,
        `${before} were confirmed before the look`,
      );
    }
    growing.abort();
    await grow;
  });

  it('mends a stream whose maker died before it had written anything', async () => {
    await using driver = await openLog();
    const topic = await makeLog(driver);
    const connection = await connect(nodeUrls(testUrl('rabbitmq'))[0]);
    const channel = await connection.createChannel();
    const queue = partitionStream(topic.name, 0);
    await channel.prefetch(1);
    const genesis = await new Promise<unknown>((resolve) => {
      const from = { arguments: { 'x-stream-offset': 'first' } };
      void channel.consume(queue, (message) => resolve(message?.properties.type), from);
    });
    assert.equal(genesis, 'duobus.genesis', 'its maker has written a first line');
    await channel.deleteQueue(queue);
    await channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'stream' } });
    await connection.close();
    const { first, end } = await boundsOf(driver, topic);
    assert.equal(first.offset, end.offset);
    await append(driver, topic, ['a']);
    assert.deepEqual((await readAll(driver, topic, first)).map(textOf), ['a']);
  });

  it('refuses to read below the first record and beyond the end', async () => {
    await using driver = await openLog();
    const topic = await makeLog(driver, { retention: small });
    const { first } = await boundsOf(driver, topic);
    const read = (offset: number) => driver.read(topic, 0, { offset, time: 0 }, limits, soon());
    await append(driver, topic, ['a']);
    const { end } = await boundsOf(driver, topic);
    assert.deepEqual(await read(end.offset), { records: [], next: end, atEnd: true });
    await assert.rejects(() => read(end.offset + 1), { code: 'DUOBUS_POSITION_GONE' });
    await fillUntilTrimmed(driver, topic);
    await assert.rejects(() => read(first.offset), { code: 'DUOBUS_POSITION_GONE' });
    const kept = await boundsOf(driver, topic);
    const [oldest] = (await read(kept.first.offset)).records;
    // one lower than the oldest record is where a reader stands that has lost nothing
    assert.ok((oldest?.offset ?? 0) - kept.first.offset <= 1);
  });

  it('leaves out no record at the place before the first one that is kept', async () => {
    await using driver = await openLog();
    const topic = await makeLog(driver, { retention: small });
    const offsets = new Map<number, string>();
    let oldest = 0;
    for (let from = 0; from < 4_000 && oldest < 1_000; from += 100) {
      await append(driver, topic, numbered(from, 100), { padding: 2_000 });
      for (const kept of await readKept(driver, topic)) offsets.set(kept.offset, textOf(kept));
      const records = await readKept(driver, topic);
      oldest = Number(textOf(records[0] ?? { body: null }));
      const place = (records[0]?.offset ?? 0) - 1;
      if (oldest > 0) assert.equal(offsets.get(place), undefined, `place ${place} held a record`);
    }
    assert.ok(oldest >= 1_000, 'several segments were dropped');
  });

  it('starts by time: early by no more than it says, never late, and at the end where nothing is later', async () => {
    await using driver = await openLog();
    const topic = await makeLog(driver);
    await append(driver, topic, ['old']);
    await new Promise((resolve) => setTimeout(resolve, 2_100));
    const time = Date.now();
    await append(driver, topic, ['new']);
    const from = async (ms: number): Promise<readonly string[]> => {
      const [place] = await driver.placesAt(topic, ms, soon());
      return (await readAll(driver, topic, place)).map(textOf);
    };
    assert.deepEqual(await from(0), ['old', 'new']);
    assert.deepEqual(await from(time), ['new']);
    assert.deepEqual(await from(time + 60_000), []);
  });

  it('ends its members with gone when the stream is deleted', async () => {
    await using driver = await openLog();
    const topic = await makeLog(driver);
    await using consumer = await Consumer.join(driver, topic);
    await append(driver, topic, ['a']);
    await consumer.until(() => consumer.texts.length === 1, 'it reads');
    const connection = await connect(nodeUrls(testUrl('rabbitmq'))[0]);
    const channel = await connection.createChannel();
    await channel.deleteQueue(partitionStream(topic.name, 0));
    await connection.close();
    await consumer.until(() => consumer.events.some(({ type }) => type === 'gone'), 'it is gone');
  });
});

/** Appends until something has been dropped. */
async function fillUntilTrimmed(
  driver: Awaited<ReturnType<typeof openLog>>,
  topic: Awaited<ReturnType<typeof makeLog>>,
): Promise<void> {
  for (let from = 0; from < 4_000; from += 100) {
    await append(driver, topic, numbered(from, 100), { padding: 2_000 });
    if ((await boundsOf(driver, topic)).first.offset > 10) return;
  }
  throw new Error('nothing was dropped');
}

/** All there is; what is dropped between asking for the first and reading it is no reader's fault. */
async function readKept(...args: Parameters<typeof readAll>): ReturnType<typeof readAll> {
  for (;;) {
    try {
      return await readAll(...args);
    } catch (error) {
      if (!BusError.is(error, 'DUOBUS_POSITION_GONE')) throw error;
    }
  }
}
