import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { structuredBinding } from '@duobus/core/driver';
import fc from 'fast-check';
import { decodeRecord, encodeRecord, probed, type ReceivedAttribute } from '../src/record-codec.ts';

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 30 }),
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.constantFrom('', '"', '"quoted"', '\u0000', '\ufffe', '\ud800', ' ', '\r\n'),
);
const records = fc.record({
  key: fc.option(text, { nil: undefined }),
  headers: fc.dictionary(
    fc.oneof(text, fc.constantFrom('content-type', '__proto__', 'duobus-key')),
    text,
    { maxKeys: 15 },
  ),
  body: fc.option(
    fc.oneof(
      fc.uint8Array({ maxLength: 100 }),
      text.map((value) => new Uint8Array(Buffer.from(value))),
    ),
    { nil: null },
  ),
});
const states = fc.option(text, { nil: undefined });

/** As Amazon's documentation has it. */
const legal = /^[\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]+$/u;

describe('record codec', () => {
  it('gives back what it was given, in what SNS and SQS take', () => {
    fc.assert(
      fc.property(records, states, (record, state) => {
        const { text: body, attributes, bytes } = encodeRecord(record, state);
        assert.match(body, legal);
        let counted = Buffer.byteLength(body);
        for (const [name, { DataType, StringValue }] of Object.entries(attributes)) {
          assert.match(StringValue, legal);
          counted += Buffer.byteLength(name + DataType + StringValue);
        }
        assert.equal(bytes, counted);
        const names = Object.keys(attributes);
        assert.ok(names.length >= 1 && names.length <= 10, names.join());
        assert.equal(probed(attributes), undefined);
        const decoded = decodeRecord(body, attributes);
        assert.equal(decoded.key, record.key);
        assert.equal(decoded.state, state);
        assert.deepEqual({ ...decoded.headers }, { ...record.headers });
        assert.deepEqual(decoded.body === null ? null : new Uint8Array(decoded.body), record.body);
      }),
    );
  });

  it('carries an event as text that anybody can read', () => {
    const data = Buffer.from('{"n":1}');
    const attributes = { specversion: '1.0', id: '1', source: '/s', type: 't' } as const;
    const { headers, body } = structuredBinding.encode(attributes, data);
    const encoded = encodeRecord({ key: 'k', headers, body });
    assert.equal(
      encoded.text,
      '{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"n":1}}',
    );
    assert.deepEqual(
      Object.fromEntries(
        Object.entries(encoded.attributes).map(([name, { StringValue }]) => [name, StringValue]),
      ),
      { duobus: '1', 'duobus-key': 'k', 'content-type': 'application/cloudevents+json' },
    );
  });

  it('takes whatever others send, without harm', () => {
    const value = fc.record(
      {
        DataType: fc.constantFrom('String', 'Number', 'Binary', 'String.Array'),
        StringValue: fc.oneof(text, fc.json()),
        BinaryValue: fc.uint8Array({ maxLength: 10 }),
      },
      { requiredKeys: [] },
    );
    const names = fc.oneof(
      text,
      fc.constantFrom('duobus-headers', 'duobus-key', 'duobus-encoding', 'duobus-state', 'x'),
    );
    fc.assert(
      fc.property(
        fc.option(text, { nil: undefined }),
        fc.dictionary(names, value, { maxKeys: 10 }),
        (body, attributes) => {
          const { headers } = decodeRecord(body, attributes as Record<string, ReceivedAttribute>);
          for (const name of Object.keys(headers)) assert.equal(typeof headers[name], 'string');
          assert.equal(Object.getPrototypeOf(headers), null);
          assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
        },
      ),
    );
    const { headers } = decodeRecord('x', {
      'duobus-headers': { StringValue: '[["__proto__","y"],["a"],3,["n",1],["b","c"]]' },
    });
    assert.deepEqual(Object.keys(headers), ['__proto__', 'b']);
  });
});
