import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { AmqpMessage, AmqpPublishOptions } from '../src/client.ts';
import {
  bodyOf,
  decodeRecord,
  encodeCopy,
  encodeRecord,
  handOvers,
  identityOf,
  partitionOf,
  wasHandedOut,
} from '../src/record-codec.ts';

/** What the broker hands out for what was published. */
function handedOut(options: AmqpPublishOptions, content: Buffer = Buffer.alloc(0)): AmqpMessage {
  const { persistent: _persistent, mandatory: _mandatory, ...properties } = options;
  return {
    content,
    fields: { deliveryTag: 1, redelivered: false },
    properties: { ...properties, headers: { ...properties.headers } },
  };
}

const name = fc.stringMatching(/^[a-z]{1,20}$/);
const headers = fc.dictionary(
  fc.oneof(
    name,
    name.map((each) => `cloudEvents:${each}`),
    fc.constant('content-type'),
  ),
  fc.string(),
);
const value = fc.oneof(
  fc.string(),
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
  fc.uint8Array().map((bytes) => Buffer.from(bytes)),
);

describe('record codec', () => {
  it('gives back headers and body as they were', () => {
    fc.assert(
      fc.property(headers, fc.uint8Array(), (given, body) => {
        const outbound = { key: undefined, headers: given, body };
        const decoded = decodeRecord(handedOut(encodeRecord(outbound), bodyOf(outbound)));
        assert.deepEqual(decoded.headers, { ...given });
        assert.equal(decoded.state, undefined);
        assert.deepEqual([...bodyOf(outbound)], [...body]);
      }),
    );
  });

  it('keeps content types and ids that are too long for AMQP properties', () => {
    const long = 'x'.repeat(256);
    const encoded = encodeRecord({
      key: undefined,
      headers: { 'content-type': long, 'cloudEvents:id': 'ü'.repeat(200) },
      body: null,
    });
    assert.equal(encoded.contentType, undefined);
    assert.equal(encoded.messageId, undefined);
    assert.equal(decodeRecord(handedOut(encoded)).headers['content-type'], long);
  });

  it('copies everything but what the broker wrote, with the newest state and partition', () => {
    const foreign = fc.dictionary(name, value);
    fc.assert(
      fc.property(
        foreign,
        fc.string(),
        fc.string(),
        fc.nat(1023),
        (given, first, second, partition) => {
          const written = {
            'x-delivery-count': 3,
            'x-acquired-count': 4,
            'x-death': [{ count: 1 }],
            'x-first-death-queue': 'q',
            'x-last-death-reason': 'expired',
            CC: ['other'],
            BCC: ['other'],
          };
          const message = handedOut({
            headers: { ...given, ...written },
            contentType: 'text/plain',
            messageId: 'm',
            correlationId: 'c',
            type: 't',
          });
          const once = handedOut(encodeCopy(message, first, partition));
          assert.equal(partitionOf(once), partition);
          const twice = handedOut(encodeCopy(once, second));
          const { headers: copied, state } = decodeRecord(twice);
          assert.equal(state, second);
          assert.deepEqual(
            { ...copied, 'duobus-partition': undefined },
            { ...given, 'content-type': 'text/plain', 'duobus-partition': undefined },
          );
          assert.deepEqual(
            [twice.properties.messageId, twice.properties.correlationId, twice.properties.type],
            ['m', 'c', 't'],
          );
        },
      ),
    );
  });

  it('copies values that amqplib decodes but cannot encode as they are', () => {
    const odd = {
      nan: Number.NaN,
      far: -Infinity,
      fine: 2 ** 50 + 0.25,
      tagged: { '!': 'bogus', value: 1, kept: [2 ** 60] },
      when: { '!': 'timestamp', value: 5 },
    };
    const { headers: copied } = encodeCopy(handedOut({ headers: odd }), undefined);
    assert.deepEqual(copied, {
      nan: { '!': 'double', value: Number.NaN },
      far: { '!': 'double', value: -Infinity },
      fine: { '!': 'double', value: 2 ** 50 + 0.25 },
      tagged: { value: 1, kept: [{ '!': 'double', value: 2 ** 60 }] },
      when: { '!': 'timestamp', value: 5 },
    });
  });

  it('knows a record by source and id under every prefix, else by its bytes', () => {
    const of = (given: Record<string, unknown>, text = ''): string =>
      identityOf(handedOut({ headers: given }, Buffer.from(text)));
    const known = of({ 'cloudEvents:source': '/s', 'cloudEvents:id': '1' });
    assert.equal(of({ 'ce-source': '/s', cloudEvents_id: '1' }, 'other bytes'), known);
    assert.notEqual(
      of({ 'cloudEvents:source': '/s1', 'cloudEvents:id': '' }),
      of({ 'cloudEvents:source': '/s', 'cloudEvents:id': '1' }),
    );
    assert.equal(of({}, 'same'), of({ other: 1 }, 'same'));
    assert.notEqual(of({}, 'same'), of({}, 'different'));
  });

  it('takes a record to be handed out before when the flag or one of the counters says so', () => {
    const message = (redelivered: boolean, given: Record<string, unknown>): AmqpMessage => ({
      content: Buffer.alloc(0),
      fields: { deliveryTag: 1, redelivered },
      properties: { headers: given },
    });
    assert.equal(wasHandedOut(message(false, {})), false);
    assert.equal(wasHandedOut(message(true, {})), true);
    assert.equal(wasHandedOut(message(false, { 'x-delivery-count': 1 })), true);
    assert.equal(wasHandedOut(message(false, { 'x-acquired-count': 0 })), false);
    assert.equal(handOvers(message(true, { 'x-delivery-count': 1, 'x-acquired-count': 2 })), 2);
  });
});
