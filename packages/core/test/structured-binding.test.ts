import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { structuredBinding } from '../src/binding.ts';
import { makeAttributes } from '../src/envelope.ts';
import { errorOf } from './support/error-of.ts';

const attributes = makeAttributes(
  {
    id: '1',
    source: '/shop',
    type: 'order.placed',
    time: '2026-11-01T12:00:00.000Z',
    datacontenttype: 'application/json',
    partitionkey: 'k',
  },
  { myextension: 'größe 😀' },
);

describe('structuredBinding', () => {
  const decode = (body: string): ReturnType<typeof structuredBinding.decode> =>
    structuredBinding.decode({ key: undefined, headers: {}, body: Buffer.from(body) });
  const event = (members: string): string =>
    `{"specversion":"1.0","id":"1","source":"/s","type":"t"${members}}`;
  const dataOf = (members: string): string => Buffer.from(decode(event(members)).data).toString();

  it('writes JSON data as it is', () => {
    const wire = structuredBinding.encode(attributes, Buffer.from('{"a":1.0}'));
    const text = Buffer.from(wire.body).toString();
    assert.ok(text.endsWith('"data":{"a":1.0}}'));
    assert.deepEqual(JSON.parse(text), { ...attributes, data: { a: 1 } });
    assert.deepEqual(wire.headers, { 'content-type': 'application/cloudevents+json' });
  });

  it('writes other data as base64', () => {
    const wire = structuredBinding.encode(
      { ...attributes, datacontenttype: 'image/png' },
      Uint8Array.of(255, 0),
    );
    assert.equal(
      (JSON.parse(Buffer.from(wire.body).toString()) as { data_base64: string }).data_base64,
      '/wA=',
    );
  });

  it('keeps the bytes of JSON data, such as numbers that JavaScript would round', () => {
    const data = '{ "n" : 12345678901234567890.10, "s":"a\\"]}" , "l":[[],{"x":"}"}] }';
    assert.equal(dataOf(`, "data" : ${data} , "subject":"s"`), data);
  });

  it('keeps the space around JSON data, which the event has too', () => {
    for (const text of [' 1', '1\n', '\t{"a": [ ] }\r\n', ' null ']) {
      const wire = structuredBinding.encode(attributes, Buffer.from(text));
      const read = structuredBinding.decode({ key: undefined, ...wire });
      assert.equal(Buffer.from(read.data).toString(), text);
      assert.deepEqual(read.attributes, attributes);
    }
  });

  it('reads what other SDKs write', () => {
    assert.equal(dataOf(',"data":"text","datacontenttype":"text/plain"'), 'text');
    assert.equal(dataOf(',"data":"text","datacontenttype":"application/json"'), '"text"');
    assert.equal(dataOf(',"data":"text"'), '"text"');
    assert.equal(dataOf(',"data":{"a":1},"datacontenttype":"application/xml"'), '{"a":1}');
    assert.equal(dataOf(',"data_base64":"aGk=","datacontenttype":"text/plain"'), 'hi');
    assert.equal(dataOf(',"data_base64":null,"data":1'), '1');
    assert.equal(dataOf(',"data":null'), 'null');
    assert.equal(dataOf(''), '');
    assert.equal(decode(`\ufeff ${event('')} \n`).attributes.id, '1');
  });

  it('reads attributes of every JSON type', () => {
    const found = decode(
      event(',"sequence":42,"sampled":true,"subject":null,"quoted":"a\\"\\u00fc","Upper":"x"'),
    ).attributes;
    assert.deepEqual(found, {
      specversion: '1.0',
      id: '1',
      source: '/s',
      type: 't',
      sequence: '42',
      sampled: 'true',
      quoted: 'a"ü',
    });
  });

  it('finds the data wherever it is, and whatever looks like it', () => {
    assert.equal(dataOf(',"data":{"a":1,"data":2}'), '{"a":1,"data":2}');
    assert.equal(dataOf(',"X":{"a":1,"data":2},"data":3'), '3');
    assert.equal(dataOf(',"X":[{"a":1,"data":2}]'), '');
    assert.equal(dataOf(',"data":{"a":1},"subject":"s"'), '{"a":1}');
    assert.equal(dataOf(',"data":1,"data":2'), '2');
    assert.equal(dataOf(',"subject":",\\"data\\":1","data":2'), '2');
    assert.equal(dataOf(',"data_base64":"aGk=","data":2'), 'hi');
    assert.equal(decode(event(',"data":{"a":1},"subject":"s"')).attributes['subject'], 's');
    for (const members of [',"data":{"a":1}}', ',"data":', ',"data":{"a":1'])
      errorOf('DUOBUS_DECODE', () => decode(event(members)));
  });

  it('finds the end of strings of every length, whatever is escaped in them', () => {
    for (let length = 0; length < 80; length += 1)
      for (const tail of ['', '\\\\', '"', '\\\\"', '"}', '\\"\\\\', '\u20ac'])
        for (const text of ['x'.repeat(length) + tail, tail.repeat(length)]) {
          const data = JSON.stringify({ text, after: [text] });
          assert.equal(dataOf(`,"data":${data}`), data);
          assert.equal(dataOf(`,"data":${data},"subject":"later"`), data);
          errorOf('DUOBUS_DECODE', () => decode(event(`,"data":${data.slice(0, -6)}`)));
        }
  });

  it('is not polluted by the names of members', () => {
    const found = decode(event(',"__proto__":{"polluted":true}')).attributes;
    assert.equal((found as { polluted?: unknown }).polluted, undefined);
  });

  for (const body of [
    '',
    ' ',
    '[]',
    '1',
    '{',
    '{"a"',
    '{"a":',
    '{"a":1',
    '{"a":1,',
    '{"a":1,}',
    '{"a":1}x',
    '{"a" 1}',
    '{a:1}',
    '{"a":"x',
    '{"a":[1}',
    '{"a":}',
    'plain text',
  ]) {
    it(`refuses the body ${JSON.stringify(body)}`, () => {
      errorOf('DUOBUS_DECODE', () => decode(body));
    });
  }

  it('refuses an attribute that is an object, and base64 that is none', () => {
    assert.match(
      errorOf('DUOBUS_DECODE', () => decode(event(',"subject":{"a":1}'))).message,
      /'subject' is an object/,
    );
    errorOf('DUOBUS_DECODE', () => decode(event(',"data_base64":"%%"')));
    errorOf('DUOBUS_DECODE', () => decode(event(',"data_base64":7')));
  });

  it('refuses an attribute that is not JSON', () => {
    errorOf('DUOBUS_DECODE', () => decode(event(',"subject":nope')));
  });

  it('refuses an event with something behind it', () => {
    errorOf('DUOBUS_DECODE', () => decode(`${event('')}x`));
    errorOf('DUOBUS_DECODE', () => decode(event('') + event('')));
  });

  it('refuses a record without a body', () => {
    errorOf('DUOBUS_DECODE', () =>
      structuredBinding.decode({ key: undefined, headers: {}, body: null }),
    );
  });
});
