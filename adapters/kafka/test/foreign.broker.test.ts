import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import kafkajs from 'kafkajs';
import { BusError, type LogDriver } from '@duobus/core/driver';
import {
  at,
  Consumer,
  eventually,
  makeTopic,
  openDriver,
  records,
  soon,
  textOf,
} from './support/driver.ts';
import { foreignKafka, withAdmin, withProducer } from './support/foreign.ts';

/** An LZ4 frame that stores its bytes as they are. */
function storedAsLz4(bytes: Buffer): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32LE(bytes.length + 2 ** 31);
  return Buffer.concat([Buffer.from('04224d18604082', 'hex'), size, bytes, Buffer.alloc(4)]);
}

async function sendCompressed(
  topic: string,
  compression: kafkajs.CompressionTypes,
  compress: (bytes: Buffer) => Buffer,
  value: string,
): Promise<void> {
  const CompressionCodecs = kafkajs.CompressionCodecs as Record<number, unknown>;
  const before = CompressionCodecs[compression];
  CompressionCodecs[compression] = () => ({
    compress: async ({ buffer }: { buffer: Buffer }) => compress(buffer),
    decompress: async (bytes: Buffer) => bytes,
  });
  try {
    await withProducer({}, (producer) =>
      producer.send({ topic, compression, messages: [{ value }] }),
    );
  } finally {
    CompressionCodecs[compression] = before;
  }
}

describe('other programs on the same Kafka', () => {
  let driver: LogDriver;

  before(async () => {
    driver = await openDriver();
  });
  after(() => driver.close());

  it('may compress with gzip, repeat headers and leave out keys and values', async () => {
    const topic = await makeTopic(driver, { partitions: 1 });
    await withProducer({}, (producer) =>
      producer.send({
        topic: topic.name,
        compression: kafkajs.CompressionTypes.GZIP,
        messages: [
          {
            key: 'k',
            value: 'x'.repeat(5_000),
            headers: { twice: ['1', '2'], ['__proto__']: 'harmless' },
          },
          { value: null },
        ],
      }),
    );
    const { records: read } = await driver.read(
      topic,
      0,
      at(0),
      { maxBytes: 100_000, maxWaitMs: 0 },
      soon(),
    );
    assert.deepEqual(
      read.map(({ key, body }) => [key, body?.length]),
      [
        ['k', 5_000],
        [undefined, undefined],
      ],
    );
    const headers = read[0]?.headers ?? {};
    assert.deepEqual((headers['twice'] as Buffer[]).map(String), ['1', '2']);
    assert.equal('toString' in headers, false);
    assert.equal(String(headers['__proto__']), 'harmless');
    assert.equal(({} as Record<string, unknown>)['harmless'], undefined);
  });

  it('may compress with zstd', async () => {
    const topic = await makeTopic(driver, { partitions: 1 });
    await sendCompressed(
      topic.name,
      kafkajs.CompressionTypes.ZSTD,
      (bytes) => zstdCompressSync(bytes),
      'z'.repeat(5_000),
    );
    const { records: read } = await driver.read(
      topic,
      0,
      at(0),
      { maxBytes: 100_000, maxWaitMs: 0 },
      soon(),
    );
    assert.equal(read[0]?.body?.length, 5_000);
  });

  it('may publish in transactions: what is aborted is not seen, what is open is waited for', async () => {
    const topic = await makeTopic(driver, { partitions: 1 });
    const consumer = await Consumer.join(driver, topic, 'g');
    await withProducer({ transactionalId: `tx-${randomUUID()}` }, async (producer) => {
      const round = async (text: string, end: 'commit' | 'abort'): Promise<void> => {
        const transaction = await producer.transaction();
        await transaction.send({
          topic: topic.name,
          messages: [{ value: `${text}1` }, { value: `${text}2` }],
        });
        await transaction[end]();
      };
      await round('a', 'abort');
      await round('b', 'commit');
      await round('c', 'abort');
      const open = await producer.transaction();
      await open.send({ topic: topic.name, messages: [{ value: 'open' }] });
      const { records: seen, atEnd } = await eventually(
        () => driver.read(topic, 0, at(0), { maxBytes: 100_000, maxWaitMs: 0 }, soon()),
        (result) => result.atEnd,
      );
      assert.deepEqual([seen.map(textOf), atEnd], [['b1', 'b2'], true]);
      await open.commit();
    });
    await driver.append(topic, 0, records(['last']), soon());
    await consumer.until(() => consumer.got.some(({ text }) => text === 'last'), 'the last record');
    assert.deepEqual(
      consumer.got.map(({ text }) => text),
      ['b1', 'b2', 'open', 'last'],
    );
    await consumer.close();
  });

  it('may compress with what cannot be read: read and members end with a typed error, after what comes before', async () => {
    const topic = await makeTopic(driver, { partitions: 1 });
    await driver.append(topic, 0, records(['fine']), soon());
    await sendCompressed(topic.name, kafkajs.CompressionTypes.LZ4, storedAsLz4, 'unreadable');
    const consumer = await Consumer.join(driver, topic, 'g');
    await consumer.until(() => consumer.events.some(({ type }) => type === 'gone'), 'gone');
    assert.deepEqual(
      consumer.got.map(({ text }) => text),
      ['fine'],
    );
    const gone = consumer.events.find((event) => event.type === 'gone');
    assert.ok(
      gone?.type === 'gone' &&
        gone.error.code === 'DUOBUS_NOT_SUPPORTED' &&
        /lz4/.test(gone.error.message) &&
        /offset 1/.test(gone.error.message),
      JSON.stringify(gone),
    );
    await consumer.close();
    const first = await driver.read(topic, 0, at(0), { maxBytes: 100_000, maxWaitMs: 0 }, soon());
    assert.deepEqual([first.records.map(textOf), first.atEnd], [['fine'], false]);
    await assert.rejects(
      driver.read(topic, 0, first.next, { maxBytes: 100_000, maxWaitMs: 0 }, soon()),
      (error) => BusError.is(error, 'DUOBUS_NOT_SUPPORTED'),
    );
  });

  it('may use our group first: members and edits say so, and disturb nobody', async () => {
    const topic = await makeTopic(driver, { partitions: 1 });
    const foreign = foreignKafka().consumer({
      groupId: `duobus:${topic.name}:g`,
      sessionTimeout: 6_000,
    });
    await foreign.connect();
    await foreign.subscribe({ topics: [topic.name], fromBeginning: true });
    const got: string[] = [];
    await foreign.run({ eachMessage: async ({ message }) => void got.push(String(message.value)) });
    await eventually(
      () => withAdmin((admin) => admin.describeGroups([`duobus:${topic.name}:g`])),
      ({ groups }) => groups[0]?.state === 'Stable',
    );
    const consumer = await Consumer.join(driver, topic, 'g');
    await consumer.until(() => consumer.events.some(({ type }) => type === 'gone'), 'gone');
    const gone = consumer.events.find((event) => event.type === 'gone');
    assert.ok(gone?.type === 'gone' && gone.error.code === 'DUOBUS_CONFLICT');
    await consumer.close();
    await assert.rejects(
      driver.edit(topic, 'g', () => ({ place: at(0), text: '' }), 30_000, soon()),
      (error) => BusError.is(error, 'DUOBUS_CONFLICT'),
    );
    await driver.append(topic, 0, records(['theirs']), soon());
    await eventually(
      async () => got,
      (texts) => texts.includes('theirs'),
    );
    await foreign.disconnect();
  });

  it('may commit into our group: the text is then empty', async () => {
    const topic = await makeTopic(driver, { partitions: 1 });
    await withAdmin((admin) =>
      admin.setOffsets({
        groupId: `duobus:${topic.name}:g`,
        topic: topic.name,
        partitions: [{ partition: 0, offset: '3' }],
      }),
    );
    const [stored] = await driver.pointers(topic, 'g', soon());
    assert.deepEqual(stored, { place: at(3), text: '' });
  });

  it('may delete records: members say trimmed and reads say gone', async () => {
    const topic = await makeTopic(driver, { partitions: 1 });
    await driver.append(topic, 0, records(['a', 'b', 'c', 'd']), soon());
    await withAdmin(async (admin) => {
      await admin.fetchTopicOffsets(topic.name);
      await admin.deleteTopicRecords({
        topic: topic.name,
        partitions: [{ partition: 0, offset: '2' }],
      });
    });
    const [bounds] = await driver.bounds(topic, soon());
    assert.deepEqual([bounds?.first.offset, bounds?.end.offset], [2, 4]);
    await assert.rejects(
      driver.read(topic, 0, at(0), { maxBytes: 1_000, maxWaitMs: 0 }, soon()),
      (error) => BusError.is(error, 'DUOBUS_POSITION_GONE'),
    );
    const consumer = await Consumer.join(driver, topic, 'g');
    await consumer.until(() => consumer.events.some(({ type }) => type === 'trimmed'), 'trimmed');
    consumer.member.start(0, consumer.tokenOf(0), at(2));
    await consumer.until(() => consumer.got.length === 2, 'what is left');
    await consumer.close();
  });

  it('see what we publish as CloudEvents under the key', async () => {
    const topic = await makeTopic(driver, { partitions: 1 });
    await driver.append(
      topic,
      0,
      [{ key: 'k', headers: { ce_id: '1', 'content-type': 'text/plain' }, body: Buffer.from('v') }],
      soon(),
    );
    const consumer = foreignKafka().consumer({ groupId: `foreign-${randomUUID()}` });
    await consumer.connect();
    await consumer.subscribe({ topics: [topic.name], fromBeginning: true });
    const seen: unknown[] = [];
    await consumer.run({
      eachMessage: async ({ message }) =>
        void seen.push([
          String(message.key),
          String(message.value),
          String(message.headers?.['ce_id']),
        ]),
    });
    await eventually(
      async () => seen,
      (all) => all.length > 0,
    );
    assert.deepEqual(seen, [['k', 'v', '1']]);
    await consumer.disconnect();
  });
});
