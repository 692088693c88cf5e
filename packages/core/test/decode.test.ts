import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DecodeFailure, decodeAttributes, decodeDocument } from '../src/decode.ts';
import type { Envelope } from '../src/decode.ts';
import type { Prepared } from '../src/prepare.ts';
import { prepare } from '../src/prepare.ts';
import { topic } from '../src/topic.ts';
import type { AnyTopic } from '../src/topic.ts';
import { binding, context, numberSchema } from './support/prepare-context.ts';

/** The envelope of a document published to a topic that says nothing about it. */
function envelopeOf(document: unknown, type = 'a'): Envelope {
  const prepared = prepare(topic('any'), document, { type, key: 'k' }, context) as Prepared;
  return decodeAttributes(prepared.record, binding);
}

function failureOf(of: AnyTopic, envelope: Envelope): DecodeFailure {
  try {
    void decodeDocument(of, envelope);
  } catch (error) {
    assert.ok(error instanceof DecodeFailure);
    return error;
  }
  throw new assert.AssertionError({ message: 'expected a DecodeFailure' });
}

describe('decodeAttributes', () => {
  it('finds attributes, data and key', () => {
    const { attributes, data, key } = envelopeOf({ n: '1' });
    assert.equal(attributes.type, 'a');
    assert.equal(Buffer.from(data).toString(), '{"n":"1"}');
    assert.equal(key, 'k');
  });

  it('prefers the key of the record to the attribute', () => {
    const { record } = prepare(topic('any'), 1, { key: 'attribute' }, context) as Prepared;
    assert.equal(decodeAttributes({ ...record, key: 'record' }, binding).key, 'record');
    assert.equal(decodeAttributes({ ...record, key: undefined }, binding).key, 'attribute');
  });

  it('fails for what is not a CloudEvent', () => {
    assert.throws(
      () => decodeAttributes({ key: undefined, headers: {}, body: null }, binding),
      (error) =>
        error instanceof DecodeFailure &&
        error.reason === 'decode' &&
        error.attributes === undefined,
    );
  });
});

describe('decodeDocument', () => {
  it('gives the document as it was published where there is no schema', () => {
    const decoded = decodeDocument(topic('orders'), envelopeOf({ n: '1' }, 'orders'));
    assert.ok(!(decoded instanceof Promise) && decoded.kind === 'document');
    assert.deepEqual(decoded.document, { n: '1' });
    assert.equal(decoded.type, 'orders');
  });

  it('gives what the schema makes of it', async () => {
    for (const mode of ['sync', 'async'] as const) {
      const found = decodeDocument(
        topic('t', { schema: numberSchema(mode), type: 'a' }),
        envelopeOf({ n: '1' }),
      );
      assert.equal(found instanceof Promise, mode === 'async');
      const decoded = await found;
      assert.ok(decoded.kind === 'document');
      assert.deepEqual(decoded.document, { n: 1 });
    }
  });

  it('takes any type where the topic says nothing about types', () => {
    const decoded = decodeDocument(topic('orders'), envelopeOf(1, 'com.example.other'));
    assert.ok(!(decoded instanceof Promise) && decoded.kind === 'document');
  });

  it('fails for a type that the topic does not list', () => {
    for (const other of [
      topic('t', { type: 'b' }),
      topic('t', { schema: numberSchema('sync') }),
      topic('t', { types: { b: numberSchema('sync') } }),
    ]) {
      const failure = failureOf(other, envelopeOf(1));
      assert.equal(failure.reason, 'unknown-type');
      assert.match(failure.message, /no type 'a'/);
      assert.equal(failure.attributes?.type, 'a');
    }
  });

  it('skips a type that the topic does not list, where it says so', () => {
    const decoded = decodeDocument(topic('t', { type: 'b', unknownType: 'skip' }), envelopeOf(1));
    assert.ok(!(decoded instanceof Promise) && decoded.kind === 'skip');
  });

  it('fails for a body that the codec cannot read', () => {
    const failure = failureOf(topic('t'), { ...envelopeOf(1), data: Buffer.from('{') });
    assert.equal(failure.reason, 'decode');
    assert.equal(failure.error.code, 'DUOBUS_DECODE');
    assert.equal(failure.attributes?.type, 'a');
  });

  it('fails for what does not fit the schema, and says where', async () => {
    const failure = failureOf(
      topic('t', { schema: numberSchema('sync'), type: 'a' }),
      envelopeOf({ n: 'x' }),
    );
    assert.equal(failure.reason, 'schema');
    assert.match(failure.message, /n: must be a number/);
    await assert.rejects(
      async () =>
        decodeDocument(
          topic('t', { schema: numberSchema('async'), type: 'a' }),
          envelopeOf({ n: 'x' }),
        ),
      (error) => error instanceof DecodeFailure && error.reason === 'schema',
    );
  });

  it('fails with what a codec or a schema throws', () => {
    const cause = new Error('broken');
    const thrower = (): never => {
      throw cause;
    };
    const codec = { contentType: 'a/b', encode: () => new Uint8Array(1), decode: thrower };
    assert.equal(failureOf(topic('t', { codec }), envelopeOf(1)).error.cause, cause);
    const schema = { '~standard': { version: 1 as const, vendor: 'test', validate: thrower } };
    const failure = failureOf(topic('t', { schema, type: 'a' }), envelopeOf(1));
    assert.equal(failure.reason, 'schema');
    assert.equal(failure.error.cause, cause);
  });
});
