import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { binaryBinding, structuredBinding } from '../src/binding.ts';
import { makeAttributes } from '../src/envelope.ts';
import { errorOf } from './support/error-of.ts';

const kafka = binaryBinding({ prefix: 'ce_', contentType: 'content-type' });
const amqp = binaryBinding({
  prefix: 'cloudEvents:',
  alsoRead: ['cloudEvents_', 'ce-'],
  contentType: 'content-type',
});

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

const required = { ce_specversion: '1.0', ce_id: '1', ce_source: '/s', ce_type: 't' };

function read(
  headers: Record<string, unknown>,
  body: string | Uint8Array | null = '',
): ReturnType<typeof kafka.decode> {
  return kafka.decode({
    key: undefined,
    headers,
    body: typeof body === 'string' ? Buffer.from(body) : body,
  });
}

describe('binaryBinding', () => {
  it("writes Kafka's binary mode as CloudEvents defines it", () => {
    assert.deepEqual(kafka.encode(attributes, Buffer.from('{}')), {
      headers: {
        ce_specversion: '1.0',
        ce_id: '1',
        ce_source: '/shop',
        ce_type: 'order.placed',
        ce_time: '2026-11-01T12:00:00.000Z',
        ce_partitionkey: 'k',
        ce_myextension: 'größe 😀',
        'content-type': 'application/json',
      },
      body: Buffer.from('{}'),
    });
  });

  it('reads headers as Kafka clients give them: bytes, the last of repeated ones', () => {
    const found = read({
      ...Object.fromEntries(
        Object.entries(required).map(([name, value]) => [name, Buffer.from(value)]),
      ),
      ce_subject: [Buffer.from('first'), Buffer.from('größe')],
      'content-type': Buffer.from('application/json'),
    });
    assert.deepEqual(found.attributes, {
      specversion: '1.0',
      id: '1',
      source: '/s',
      type: 't',
      subject: 'größe',
      datacontenttype: 'application/json',
    });
  });

  it('reads the types of AMQP as canonical strings', () => {
    const found = read({
      ...required,
      ce_time: { '!': 'timestamp', value: 1_793_534_400 },
      ce_expirytime: new Date('2026-11-01T12:00:00Z'),
      ce_sequence: 42,
      ce_sampled: true,
      ce_big: 12345678901234567890n,
      ce_binary: Uint8Array.of(255, 254),
      ce_nothing: null,
      ce_table: { a: 1 },
      ce_list: [],
    });
    assert.deepEqual(found.attributes, {
      specversion: '1.0',
      id: '1',
      source: '/s',
      type: 't',
      time: '2026-11-01T12:00:00.000Z',
      expirytime: '2026-11-01T12:00:00.000Z',
      sequence: '42',
      sampled: 'true',
      big: '12345678901234567890',
      binary: '//4=',
    });
  });

  it('ignores headers that are not attributes', () => {
    const found = read({
      ...required,
      traceparent: 'hop',
      ce_Upper: 'x',
      'ce_a-b': 'x',
      ce_: 'x',
      __proto__: 'x',
      ce___proto__: 'x',
    });
    assert.deepEqual(Object.keys(found.attributes).toSorted(), [
      'id',
      'source',
      'specversion',
      'type',
    ]);
  });

  it('takes an empty content type for none', () => {
    const found = read({ ...required, 'content-type': '' }).attributes;
    assert.equal(found['datacontenttype'], undefined);
  });

  it('reads other prefixes, its own goes before them in any order', () => {
    for (const headers of [
      { 'cloudEvents:id': 'own', cloudEvents_id: 'other' },
      { cloudEvents_id: 'other', 'cloudEvents:id': 'own' },
    ]) {
      const found = amqp.decode({
        key: undefined,
        headers: {
          ...headers,
          'ce-specversion': '1.0',
          'ce-source': '/s',
          cloudEvents_type: 't',
          'ce-my1': 'x',
        },
        body: null,
      });
      assert.deepEqual(found.attributes, {
        id: 'own',
        specversion: '1.0',
        source: '/s',
        type: 't',
        my1: 'x',
      });
      assert.equal(found.data.length, 0);
    }
  });

  it('reads structured mode, whatever the case of its content type', () => {
    const body = '{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"a":1}}';
    for (const type of [
      'application/cloudevents+json',
      'Application/CloudEvents+JSON; charset=UTF-8',
      'application/cloudevents',
    ]) {
      const found = read({ 'content-type': type, ce_id: 'a copy' }, body);
      assert.equal(found.attributes.id, '1');
      assert.equal(Buffer.from(found.data).toString(), '{"a":1}');
    }
    assert.equal(read({ 'Content-Type': 'application/cloudevents+json' }, body).attributes.id, '1');
  });

  it('says which structured format it does not read', () => {
    const error = errorOf('DUOBUS_DECODE', () =>
      read({ 'content-type': 'application/cloudevents+avro' }),
    );
    assert.match(error.message, /application\/cloudevents\+avro/);
    errorOf('DUOBUS_DECODE', () =>
      read({ 'content-type': 'application/cloudevents-batch+json' }, '[]'),
    );
  });

  for (const name of ['specversion', 'id', 'source', 'type']) {
    it(`says that ${name} is missing, and what is known of the publisher`, () => {
      for (const value of [undefined, '']) {
        const error = errorOf('DUOBUS_DECODE', () => read({ ...required, [`ce_${name}`]: value }));
        assert.match(error.message, new RegExp(`${name} missing or empty`));
        if (name !== 'source') assert.match(error.message, /source '\/s'/);
      }
    });
  }

  it('names another version', () => {
    assert.match(
      errorOf('DUOBUS_DECODE', () => read({ ...required, ce_specversion: '0.3' })).message,
      /version '0\.3'.*source '\/s'/,
    );
  });

  it('tells of what is no CloudEvent which headers it has, and not their values', () => {
    const error = errorOf('DUOBUS_DECODE', () => read({ __TypeId__: 'secret' }, 'body-content'));
    assert.match(error.message, /__TypeId__/);
    assert.doesNotMatch(error.message, /secret|body-content/);
  });
});

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

  it('refuses a record without a body', () => {
    errorOf('DUOBUS_DECODE', () =>
      structuredBinding.decode({ key: undefined, headers: {}, body: null }),
    );
  });
});
