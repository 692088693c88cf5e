import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BusError, type OutboundRecord } from '@duobus/core/driver';
import fc from 'fast-check';
import {
  decodeBatches,
  decodeHead,
  decodeRecord,
  encodeRecords,
  encodeSegment,
  spansOf,
} from '../src/segment-codec.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 30 });
const structured = { 'content-type': 'application/cloudevents+json' };
const records = fc.array(
  fc.record({
    key: fc.option(text, { nil: undefined }),
    headers: fc.oneof(fc.constant(structured), fc.dictionary(text, text, { maxKeys: 4 })),
    body: fc.option(fc.uint8Array({ maxLength: 200 }), { nil: null }),
  }),
  { maxLength: 20 },
);
const nonces = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((bytes) => Buffer.from(bytes).toString('hex'));
const firsts = fc.integer({ min: 0, max: 2 ** 50 });

/** A segment of some batches, each with a gap before it. */
const segments = fc
  .record({
    first: firsts,
    nonce: nonces,
    groups: fc.array(
      fc.record({ records, gap: fc.nat(5), time: fc.oneof(fc.constant(0), fc.nat(2 ** 40)) }),
      { minLength: 1, maxLength: 5 },
    ),
    after: fc.nat(5),
  })
  .map(({ first, nonce, groups, after }) => {
    let next = first;
    const batches = groups.map(({ records: { length: count }, gap, time }) => {
      const batch = { first: next + gap, count, time };
      next += gap + count;
      return batch;
    });
    return {
      records: groups.flatMap((group) => group.records),
      segment: {
        first,
        end: next + after,
        nonce,
        batches,
        records: groups.map((group) => encodeRecords(group.records)),
      },
    };
  });

const plain = ({ key, headers, body }: OutboundRecord): OutboundRecord => ({
  key,
  headers: { ...headers },
  body: body === null ? null : new Uint8Array(body),
});

describe('segment codec', () => {
  it('gives back what it was given', () => {
    fc.assert(
      fc.property(segments, (given) => {
        const { segment } = given;
        const bytes = encodeSegment(segment);
        const { recordsAt, ...head } = decodeHead(bytes);
        const { first, end, nonce, batches } = segment;
        assert.deepEqual(head, { first, end, nonce, batches: batches.length });
        assert.deepEqual(decodeBatches(bytes), batches);
        assert.ok(recordsAt <= bytes.length);
        const spans = [...spansOf(bytes)];
        assert.deepEqual(
          spans.map(({ offset, time }) => [offset, time]),
          batches.flatMap((batch) =>
            Array.from({ length: batch.count }, (_, at) => [batch.first + at, batch.time]),
          ),
        );
        assert.deepEqual(
          spans.map((span) => plain(decodeRecord(bytes, span))),
          given.records.map(plain),
        );
      }),
    );
  });

  it('reads the beginning of a segment as far as it goes, and no further', () => {
    fc.assert(
      fc.property(segments, fc.double({ min: 0, max: 1, noNaN: true }), ({ segment }, share) => {
        const bytes = encodeSegment(segment);
        const { recordsAt } = decodeHead(bytes);
        const size = recordsAt + Math.floor((bytes.length - recordsAt) * share);
        const cut = bytes.subarray(0, size);
        const all = [...spansOf(bytes)];
        const some = [...spansOf(cut, true)];
        assert.deepEqual(some, all.slice(0, some.length));
        assert.ok(all[some.length] === undefined || (all[some.length]?.to ?? 0) > size);
        if (some.length < all.length) assert.throws(() => [...spansOf(cut)], isDecodeError);
      }),
    );
  });

  it('refuses what is not a segment with a typed error, and a version of the future too', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        assert.throws(() => decodeHead(bytes), isDecodeError);
      }),
    );
    const bytes = encodeSegment({
      first: 0,
      end: 0,
      nonce: '00'.repeat(16),
      batches: [],
      records: [],
    });
    bytes.writeUInt8(2, 4);
    assert.throws(
      () => decodeHead(bytes),
      (error) => isDecodeError(error) && /version 2/.test((error as Error).message),
    );
  });

  it('keeps names from the wire out of prototypes', () => {
    const headers = JSON.parse('{"__proto__":"x","constructor":"y"}') as Record<string, string>;
    const records = encodeRecords([{ key: undefined, headers, body: null }]);
    const batches = [{ first: 0, count: 1, time: 0 }];
    const bytes = encodeSegment({
      first: 0,
      end: 1,
      nonce: '00'.repeat(16),
      batches,
      records: [records],
    });
    const [span] = spansOf(bytes);
    assert.ok(span !== undefined);
    const found = decodeRecord(bytes, span).headers;
    assert.deepEqual(Object.keys(found), ['__proto__', 'constructor']);
    assert.equal(Object.getPrototypeOf(found), null);
  });
});

const isDecodeError = (error: unknown): boolean => BusError.is(error, 'DUOBUS_DECODE');
