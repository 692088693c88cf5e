import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { structuredBinding } from '@duobus/core/driver';
import fc from 'fast-check';
import { decodeRecord, encodeRecord, isOurs, markField, markValue } from '../src/record-codec.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 30 });
const records = fc.record({
  key: fc.option(text, { nil: undefined }),
  headers: fc.dictionary(
    fc.oneof(text, fc.constant('content-type')),
    fc.oneof(text, fc.constant('application/cloudevents+json')),
    { maxKeys: 5 },
  ),
  body: fc.option(fc.uint8Array({ maxLength: 100 }), { nil: null }),
});

/** As the server gives it back. */
const stored = (fields: readonly (string | Buffer)[]): Buffer[] =>
  [markField, markValue, ...fields].map((field) => Buffer.from(field as string));

describe('record codec', () => {
  it('gives back what it was given', () => {
    fc.assert(
      fc.property(records, (record) => {
        const fields = stored(encodeRecord(record));
        const { key, headers, body } = decodeRecord(fields, 2);
        assert.equal(isOurs(fields), true);
        assert.equal(key, record.key);
        assert.deepEqual({ ...headers }, { ...record.headers });
        assert.deepEqual(
          body === null ? null : new Uint8Array(body),
          record.body === null ? null : new Uint8Array(record.body),
        );
      }),
    );
  });

  it('reads a part of the fields as it reads them alone', () => {
    fc.assert(
      fc.property(records, fc.nat(3), fc.nat(3), (record, before, after) => {
        const fields = encodeRecord(record).map((field) => Buffer.from(field as string));
        const around = (pairs: number) => Array.from({ length: 2 * pairs }, () => Buffer.from('x'));
        const all = [...around(before), ...fields, ...around(after)];
        const part = decodeRecord(all, 2 * before, 2 * before + fields.length);
        assert.deepEqual(part, decodeRecord(fields));
      }),
    );
  });

  it('keeps an event as one field that anybody can read, and needs no header for it', () => {
    const data = Buffer.from('{"n":1}');
    const attributes = { specversion: '1.0', id: '1', source: '/s', type: 't' } as const;
    const { headers, body } = structuredBinding.encode(attributes, data);
    const fields = encodeRecord({ key: 'k', headers, body });
    assert.deepEqual(fields.map(String), [
      'key',
      'k',
      'event',
      '{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"n":1}}',
    ]);
    assert.deepEqual(
      decodeRecord(stored(fields), 2).headers['content-type'],
      headers['content-type'],
    );
  });

  it('puts fields of others into headers', () => {
    const fields = ['constructor', 'x', '__proto__', 'y', 'key', 'k'].map((field) =>
      Buffer.from(field),
    );
    const { key, headers, body } = decodeRecord(fields);
    assert.equal(isOurs(fields), false);
    assert.deepEqual([key, body, headers['constructor']], ['k', null, 'x']);
    assert.equal(Object.getPrototypeOf({}), Object.prototype);
  });
});
