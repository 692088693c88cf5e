import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { binaryBinding, structuredBinding } from '../src/binding.ts';
import type { Binding, Wire } from '../src/binding.ts';
import { isPlainText, makeAttributes } from '../src/envelope.ts';

const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }).filter(isPlainText);
const name = fc
  .stringMatching(/^[a-z0-9]{1,20}$/)
  .filter(
    (candidate) =>
      !['specversion', 'id', 'source', 'type', 'time', 'data', 'datacontenttype'].includes(
        candidate,
      ),
  );
const attributes = fc
  .record({
    id: text,
    source: text,
    type: text,
    subject: fc.option(text, { nil: undefined }),
    extensions: fc.dictionary(name, fc.string({ unit: 'grapheme' }).filter(isPlainText), {
      maxKeys: 5,
    }),
  })
  .map(({ extensions, ...known }) => ({ known, extensions }));
const contentType = fc.constantFrom(
  'application/json',
  'application/octet-stream',
  'text/plain',
  'a/b+json',
);
const jsonBytes = fc
  .json({ noUnicodeString: false })
  .map((value) => new Uint8Array(Buffer.from(value)));

/** What the record looks like to a reader whose client gives every header as bytes. */
function asBytes(wire: Wire): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(wire.headers).map(([header, value]) => [header, Buffer.from(value)]),
  );
}

const bindings: readonly (readonly [string, Binding])[] = [
  ['binaryBinding', binaryBinding({ prefix: 'ce_', contentType: 'content-type' })],
  [
    'binaryBinding of AMQP',
    binaryBinding({
      prefix: 'cloudEvents:',
      alsoRead: ['cloudEvents_'],
      contentType: 'content-type',
    }),
  ],
  ['structuredBinding', structuredBinding],
];

for (const [title, binding] of bindings) {
  describe(`${title}, any event`, () => {
    it('brings back attributes and data', () => {
      fc.assert(
        fc.property(
          attributes,
          contentType,
          fc.uint8Array({ maxLength: 200 }),
          jsonBytes,
          (made, type, binary, json) => {
            const data = type.endsWith('json') ? json : binary;
            const sent = makeAttributes(
              { ...made.known, time: '2026-11-01T12:00:00Z', datacontenttype: type },
              made.extensions,
            );
            const wire = binding.encode(sent, data);
            for (const headers of [wire.headers, asBytes(wire)]) {
              const found = binding.decode({ key: undefined, headers, body: wire.body });
              assert.deepEqual({ ...found.attributes }, { ...sent });
              assert.deepEqual(Buffer.from(found.data), Buffer.from(data));
            }
          },
        ),
      );
    });

    it('brings back an event without data', () => {
      const sent = makeAttributes({
        id: '1',
        source: '/s',
        type: 't',
        time: '2026-11-01T12:00:00Z',
        datacontenttype: 'application/json',
      });
      const wire = binding.encode(sent, new Uint8Array(0));
      assert.equal(
        binding.decode({ key: undefined, headers: wire.headers, body: wire.body }).data.length,
        0,
      );
    });

    it('never throws anything but DUOBUS_DECODE for what it cannot read', () => {
      const headers = fc.dictionary(fc.string(), fc.anything(), { maxKeys: 5 });
      const body = fc.oneof(
        fc.uint8Array(),
        fc.json().map((value) => new Uint8Array(Buffer.from(value))),
      );
      fc.assert(
        fc.property(headers, body, (some, data) => {
          try {
            binding.decode({ key: undefined, headers: some, body: data });
          } catch (error) {
            assert.equal((error as { code?: string }).code, 'DUOBUS_DECODE');
          }
        }),
      );
    });
  });
}

describe('structuredBinding, any JSON', () => {
  it('finds the same data as a JSON parser', () => {
    fc.assert(
      fc.property(fc.json(), fc.json(), fc.nat(4), (data, other, spaces) => {
        const space = ' '.repeat(spaces);
        const body = `{"x":${space}${other}${space},"specversion":"1.0","id":"1","source":"/s","type":"t",${space}"data"${space}:${space}${data}${space}}`;
        const plain = body.replace(/"x":/, '"X":');
        const found = structuredBinding.decode({
          key: undefined,
          headers: {},
          body: Buffer.from(plain),
        });
        assert.deepEqual(JSON.parse(Buffer.from(found.data).toString()), JSON.parse(data));
      }),
    );
  });
});
