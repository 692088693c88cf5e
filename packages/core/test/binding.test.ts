import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { binaryBinding } from '../src/binding.ts';
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
