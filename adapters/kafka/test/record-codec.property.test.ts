import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import type { OutboundRecord } from '@duobus/core/driver';
import { decompress } from '../src/compression.ts';
import { crc32c } from '../src/crc32c.ts';
import { batchesEnd, decodeBatches } from '../src/record-batch.ts';
import { encodeBatch } from '../src/record-codec.ts';

const identity = { producerId: 4_294_967_297n, producerEpoch: 3, firstSequence: 17 };

const outbound: fc.Arbitrary<OutboundRecord> = fc.record({
  key: fc.option(fc.string({ unit: 'grapheme' }), { nil: undefined }),
  headers: fc.dictionary(
    fc.string({ unit: 'grapheme', maxLength: 20 }),
    fc.string({ unit: 'grapheme' }),
    { noNullPrototype: false },
  ),
  body: fc.option(fc.uint8Array({ maxLength: 300 }), { nil: null }),
});
const outbounds = fc.array(outbound, { minLength: 1, maxLength: 40 });

/** What a broker does to a batch: gives it a place and a time. */
function placed(batch: Buffer, offset: number, appendTime?: number): Buffer {
  const bytes = Buffer.from(batch);
  bytes.writeBigInt64BE(BigInt(offset), 0);
  if (appendTime !== undefined) {
    bytes.writeInt16BE(bytes.readInt16BE(21) | 0x08, 21);
    bytes.writeBigInt64BE(BigInt(appendTime), 35);
  }
  return bytes;
}

const plain = (record: {
  readonly key: string | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: Uint8Array | null;
}): unknown => [
  record.key,
  Object.entries(record.headers).map(([name, value]) => [name, String(value)]),
  record.body === null ? null : Buffer.from(record.body).toString('hex'),
];

describe('the record codec', () => {
  it('reads what it writes, with places and the append time', async () => {
    await fc.assert(
      fc.asyncProperty(outbounds, fc.nat(2 ** 40), async (records, offset) => {
        const bytes = placed(encodeBatch(records, identity, 1_000), offset, 5_000);
        const decoded = await decodeBatches(bytes, offset, [], decompress);
        assert.equal(decoded.error, undefined);
        assert.equal(decoded.next, offset + records.length);
        const read = decoded.records;
        assert.deepEqual(read.map(plain), records.map(plain));
        assert.deepEqual(
          read.map((record) => [record.offset, record.time]),
          records.map((_, index) => [offset + index, 5_000]),
        );
      }),
    );
  });

  it('tells headers apart that look like those of the record before', async () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', 'é', '\ufffd'), maxLength: 3 });
    const alike = fc.array(
      fc.record({
        key: fc.constant(undefined),
        headers: fc.dictionary(text, text, { maxKeys: 3, noNullPrototype: false }),
        body: fc.constant(null),
      }),
      { minLength: 2, maxLength: 20 },
    );
    await fc.assert(
      fc.asyncProperty(alike, async (records) => {
        const bytes = placed(encodeBatch(records, identity, 1_000), 0);
        const decoded = await decodeBatches(bytes, 0, [], decompress);
        assert.deepEqual(decoded.records.map(plain), records.map(plain));
      }),
    );
  });

  it('leaves header values that are not UTF-8 as they are', async () => {
    const record: OutboundRecord = { key: undefined, headers: { a: 'xyz' }, body: null };
    const bytes = placed(encodeBatch([record, record, record], identity, 1_000), 0);
    const second = bytes.indexOf('xyz', bytes.indexOf('xyz') + 1);
    bytes[second] = 0xff;
    const { records } = await decodeBatches(bytes, 0, [], decompress);
    assert.deepEqual(
      records.map(({ headers }) => headers['a']),
      ['xyz', Buffer.from([0xff, 0x79, 0x7a]), 'xyz'],
    );
  });

  it('writes a checksum that fits, and length and count of the batch', () => {
    fc.assert(
      fc.property(outbounds, (records) => {
        const bytes = encodeBatch(records, identity, 1_000);
        assert.equal(bytes.readUInt32BE(17), crc32c(bytes.subarray(21)));
        assert.equal(bytes.readInt32BE(8), bytes.length - 12);
        assert.equal(bytes.readInt32BE(57), records.length);
        assert.deepEqual(
          [bytes.readBigInt64BE(43), bytes.readInt16BE(51), bytes.readInt32BE(53)],
          [4_294_967_297n, 3, 17],
        );
      }),
    );
    assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283); // the published check value
  });

  it('hands out nothing below the place asked for, and leaves a batch that is cut off for the next fetch', async () => {
    await fc.assert(
      fc.asyncProperty(
        outbounds,
        outbounds,
        fc.nat(100),
        fc.nat(60),
        async (one, two, cut, skip) => {
          const first = placed(encodeBatch(one, identity, 1), 100);
          const second = placed(encodeBatch(two, identity, 1), 100 + one.length);
          const both = Buffer.concat([first, second]);
          const short = both.subarray(0, Math.max(first.length, both.length - 1 - cut));
          const from = 100 + Math.min(skip, one.length - 1);
          const decoded = await decodeBatches(short, from, [], decompress);
          assert.equal(decoded.error, undefined);
          assert.deepEqual(
            decoded.records.map(({ offset }) => offset),
            Array.from({ length: 100 + one.length - from }, (_, index) => from + index),
          );
          assert.equal(decoded.next, 100 + one.length);
          assert.equal(batchesEnd(short, from), 100 + one.length);
        },
      ),
    );
  });

  it('never throws and never goes back on bytes that are damaged', async () => {
    await fc.assert(
      fc.asyncProperty(
        outbounds,
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 5 }),
        async (records, damage) => {
          const bytes = placed(encodeBatch(records, identity, 1), 50);
          for (const [at, byte] of damage) bytes[57 + (at % (bytes.length - 57))] = byte;
          const { next } = await decodeBatches(bytes, 50, [], decompress);
          assert.ok(next >= 50);
        },
      ),
    );
  });

  it('unpacks gzip, and passes over batches without records, control batches and aborted transactions', async () => {
    const [a, b, c] = ['a', 'b', 'c'].map((text) =>
      encodeBatch([{ key: text, headers: {}, body: Buffer.from(text) }], identity, 1),
    ) as [Buffer, Buffer, Buffer];
    const packed = Buffer.concat([a.subarray(0, 61), gzipSync(a.subarray(61))]);
    packed.writeInt32BE(packed.length - 12, 8);
    packed.writeInt16BE(1, 21);
    const empty = Buffer.from(b.subarray(0, 61));
    empty.writeInt32BE(61 - 12, 8);
    empty.writeInt32BE(6, 23); // compaction has removed all of its seven records
    empty.writeInt32BE(0, 57);
    const flagged = (batch: Buffer, flags: number): Buffer => {
      const bytes = Buffer.from(batch);
      bytes.writeInt16BE(flags, 21);
      return bytes;
    };
    const transactional = 0x10;
    const control = 0x20;
    const log = Buffer.concat([
      placed(packed, 0),
      placed(empty, 1),
      placed(flagged(b, transactional), 8),
      placed(flagged(b, transactional | control), 9),
      placed(flagged(c, transactional), 10),
    ]);
    const { records, next, error } = await decodeBatches(
      log,
      0,
      [{ producerId: Number(identity.producerId), firstOffset: 8 }],
      decompress,
    );
    assert.equal(error, undefined);
    assert.deepEqual(
      records.map(({ offset, body }) => [offset, String(body)]),
      [
        [0, 'a'],
        [10, 'c'],
      ],
    );
    assert.equal(next, 11);
    const last = Buffer.concat([placed(empty, 1)]);
    assert.equal((await decodeBatches(last, 1, [], decompress)).next, 8);
  });

  it('says at which offset it cannot go on, and keeps what comes before', async () => {
    const fine = placed(encodeBatch([{ key: undefined, headers: {}, body: null }], identity, 1), 7);
    const snappy = placed(
      encodeBatch([{ key: undefined, headers: {}, body: null }], identity, 1),
      8,
    );
    snappy.writeInt16BE(2, 21);
    const { records, next, error } = await decodeBatches(
      Buffer.concat([fine, snappy]),
      7,
      [],
      decompress,
    );
    assert.deepEqual([records.length, next, error?.code], [1, 8, 'DUOBUS_NOT_SUPPORTED']);
    assert.match(String(error?.message), /offset 8.*snappy/);
  });
});
