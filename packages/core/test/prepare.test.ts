import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bytes } from '../src/codec.ts';
import { BusError } from '../src/errors.ts';
import { prepare } from '../src/prepare.ts';
import type { Prepared } from '../src/prepare.ts';
import type { PublishOptions } from '../src/publish-options.ts';
import { topic } from '../src/topic.ts';
import type { AnyTopic } from '../src/topic.ts';
import { errorOf } from './support/error-of.ts';
import { binding, context, deliveryWith, numberSchema } from './support/prepare-context.ts';

const orders = topic<{ id: string }>('orders', { key: (order) => order.id });

function sync(
  of: AnyTopic,
  document: unknown,
  options: PublishOptions = {},
  more: object = {},
): Prepared {
  const prepared = prepare(of, document, options, { ...context, ...more });
  assert.ok(!(prepared instanceof Promise));
  return prepared;
}

function headersOf(
  options: PublishOptions = {},
  more: object = {},
): Readonly<Record<string, string>> {
  return sync(orders, { id: 'k' }, options, more).record.headers;
}

describe('prepare', () => {
  it('puts the envelope of a document together', () => {
    const prepared = sync(orders, { id: 'k' }, { id: '1', subject: 's', extensions: { my1: 'x' } });
    assert.deepEqual(prepared.record, {
      key: 'k',
      headers: {
        ce_specversion: '1.0',
        ce_id: '1',
        ce_source: '/shop',
        ce_type: 'orders',
        ce_time: '2026-11-01T12:00:00.000Z',
        ce_subject: 's',
        ce_partitionkey: 'k',
        ce_correlationid: '1',
        ce_my1: 'x',
        'content-type': 'application/json',
      },
      body: Buffer.from('{"id":"k"}'),
    });
    assert.equal(prepared.id, '1');
    assert.equal(prepared.key, 'k');
    assert.equal(prepared.type, 'orders');
  });

  it('makes a new id for every document', () => {
    assert.notEqual(headersOf()['ce_id'], headersOf()['ce_id']);
  });

  it('takes a time as Date or text', () => {
    assert.equal(headersOf({ time: new Date(0) })['ce_time'], '1970-01-01T00:00:00.000Z');
    assert.equal(
      headersOf({ time: '2026-01-01T00:00:00+02:00' })['ce_time'],
      '2026-01-01T00:00:00+02:00',
    );
  });

  it("uses the topic's codec and dataschema", () => {
    const blobs = topic<Uint8Array>('blobs', { codec: bytes, dataschema: 'https://x.example/s' });
    const { record } = sync(blobs, Uint8Array.of(1));
    assert.equal(record.headers['content-type'], 'application/octet-stream');
    assert.equal(record.headers['ce_dataschema'], 'https://x.example/s');
    assert.deepEqual(record.body, Uint8Array.of(1));
  });

  it('asks for more attributes once it knows id and type', () => {
    const extra = (id: string, type: string): Record<string, string> => ({
      traceparent: `${id}/${type}`,
    });
    assert.equal(headersOf({ id: '1' }, { extra })['ce_traceparent'], '1/orders');
    assert.equal(
      headersOf({ id: '1', extensions: { traceparent: 'own' } }, { extra })['ce_traceparent'],
      'own',
    );
  });
});

describe('prepare: correlation', () => {
  it('begins with the id of the first document', () => {
    const headers = headersOf({ id: '1' });
    assert.equal(headers['ce_correlationid'], '1');
    assert.equal(headers['ce_causationid'], undefined);
  });

  it('goes on from the delivery whose handler publishes', () => {
    const headers = headersOf({}, { parent: deliveryWith('p', { correlationid: 'c' }) });
    assert.equal(headers['ce_correlationid'], 'c');
    assert.equal(headers['ce_causationid'], 'p');
  });

  it('begins with the id of a cause that has none', () => {
    assert.equal(headersOf({}, { parent: deliveryWith('p') })['ce_correlationid'], 'p');
  });

  it('prefers the cause of the call, and its words above all', () => {
    const parent = deliveryWith('p', { correlationid: 'c' });
    const cause = deliveryWith('q', { correlationid: 'd' });
    assert.equal(headersOf({ cause }, { parent })['ce_causationid'], 'q');
    const headers = headersOf({ cause, correlationId: 'own', causationId: 'mine' }, { parent });
    assert.equal(headers['ce_correlationid'], 'own');
    assert.equal(headers['ce_causationid'], 'mine');
  });
});

describe('prepare: keys', () => {
  it('puts the key of the call before that of the topic', () => {
    assert.equal(sync(orders, { id: 'k' }, { key: 'own' }).record.key, 'own');
  });

  it('takes undefined for no key', () => {
    const { record, key } = sync(topic('t', { key: () => undefined }), 1);
    assert.equal(key, undefined);
    assert.equal(record.key, undefined);
    assert.equal(record.headers['ce_partitionkey'], undefined);
  });

  it('takes 255 bytes', () => {
    assert.equal(sync(orders, { id: 'ü'.repeat(127) }).key, 'ü'.repeat(127));
    assert.equal(sync(orders, { id: 'a'.repeat(255) }).key, 'a'.repeat(255));
  });

  for (const key of ['', 7, null, 'a'.repeat(256), 'ü'.repeat(128), 'a\u0000b', '\ud800', {}]) {
    it(`rejects a document with the key ${JSON.stringify(key).slice(0, 20)}`, () => {
      const error = errorOf('DUOBUS_INVALID', () => prepare(orders, { id: key }, {}, context));
      assert.equal(error.outcome, 'rejected');
      assert.match(error.message, /topic 'orders'.*key/);
    });

    it(`refuses the option ${JSON.stringify(key).slice(0, 20)}`, () => {
      assert.throws(() => prepare(orders, { id: 'k' }, { key: key as string }, context), TypeError);
    });
  }

  it('rejects when the key function throws', () => {
    const error = errorOf('DUOBUS_INVALID', () => prepare(orders, null, {}, context));
    assert.equal(error.outcome, 'rejected');
    assert.ok(error.cause instanceof TypeError);
  });
});

describe('prepare: types and schemas', () => {
  const many = topic('many', { types: { a: numberSchema('sync'), b: numberSchema('async') } });

  it('asks which type it is where there are several', () => {
    assert.throws(() => prepare(many, { n: '1' }, {}, context), {
      name: 'TypeError',
      message: /'a' \| 'b'/,
    });
  });

  it('refuses a type that the topic does not list', () => {
    assert.throws(() => prepare(many, { n: '1' }, { type: 'c' }, context), {
      name: 'TypeError',
      message: /'c', only 'a', 'b'/,
    });
    assert.throws(() => prepare(topic('t', { type: 'a' }), 1, { type: 'c' }, context), TypeError);
  });

  it('takes any type for a topic that says nothing about its types', () => {
    assert.equal(sync(topic('t'), 1, { type: 'c' }).type, 'c');
  });

  it('sends what was given, not what the schema makes of it', () => {
    const { record, type } = sync(many, { n: '1' }, { type: 'a' });
    assert.equal(type, 'a');
    assert.deepEqual(record.body, Buffer.from('{"n":"1"}'));
  });

  it('waits for an asynchronous schema', async () => {
    const prepared = await prepare(many, { n: '1' }, { type: 'b' }, context);
    assert.equal(prepared.type, 'b');
  });

  it('rejects what does not fit, and says where', async () => {
    const error = errorOf('DUOBUS_INVALID', () =>
      prepare(many, { n: 'x' }, { type: 'a' }, context),
    );
    assert.match(error.message, /n: must be a number/);
    assert.equal(error.outcome, 'rejected');
    await assert.rejects(async () => prepare(many, { n: 'x' }, { type: 'b' }, context), {
      code: 'DUOBUS_INVALID',
      outcome: 'rejected',
    });
  });

  it('rejects when the schema itself throws', async () => {
    const cause = new Error('broken');
    const broken = (validate: () => never | Promise<never>): AnyTopic =>
      topic('t', { schema: { '~standard': { version: 1, vendor: 'test', validate } } });
    const throwing = broken(() => {
      throw cause;
    });
    assert.equal(errorOf('DUOBUS_INVALID', () => prepare(throwing, 1, {}, context)).cause, cause);
    const rejecting = broken(() => Promise.reject(cause));
    await assert.rejects(async () => prepare(rejecting, 1, {}, context), {
      code: 'DUOBUS_INVALID',
      outcome: 'rejected',
      cause,
    });
  });
});

describe('prepare: failures', () => {
  it('rejects what the codec cannot write', () => {
    assert.equal(
      errorOf('DUOBUS_INVALID', () => prepare(topic('t'), undefined, {}, context)).outcome,
      'rejected',
    );
  });

  it('rejects when a codec throws, or returns no bytes', () => {
    const cause = new BusError('DUOBUS_BUG', 'broken');
    const codec = {
      ...bytes,
      encode: (): Uint8Array => {
        throw cause;
      },
    };
    const error = errorOf('DUOBUS_INVALID', () => prepare(topic('t', { codec }), 1, {}, context));
    assert.equal(error.cause, cause);
    assert.equal(error.outcome, 'rejected');
    const text = { ...bytes, encode: (): Uint8Array => 'text' as never };
    errorOf('DUOBUS_INVALID', () => prepare(topic('t', { codec: text }), 1, {}, context));
  });

  it('measures document and attributes in bytes', () => {
    const prepared = sync(topic('t'), 'ü', { id: '1' });
    const { attributes, data } = binding.decode(prepared.record);
    let expected = data.length;
    for (const [name, value] of Object.entries(attributes))
      expected += name.length + Buffer.byteLength(value);
    assert.equal(prepared.bytes, expected);
  });

  it('takes exactly maxBytes, and rejects one more with the way out', () => {
    const { bytes: size } = sync(topic('t', { maxBytes: 10_000 }), 'x', { id: '1' });
    assert.equal(sync(topic('t', { maxBytes: size }), 'x', { id: '1' }).bytes, size);
    const limits = { maxDocumentBytes: 999, maxDocumentBytesHelp: 'Raise message.max.bytes.' };
    const run = (): unknown =>
      prepare(topic('t', { maxBytes: size }), 'xy', { id: '1' }, { ...context, limits });
    const error = errorOf('DUOBUS_TOO_LARGE', run);
    assert.equal(error.outcome, 'rejected');
    for (const said of [
      `${size + 1} bytes`,
      `takes ${size}`,
      'maxBytes',
      '999',
      'Raise message.max.bytes.',
    ]) {
      assert.ok(error.message.includes(said), `${error.message} should hold ${said}`);
    }
  });

  it('takes 180 KiB by default', () => {
    sync(topic('t'), 'x'.repeat(184_320 - 500));
    errorOf('DUOBUS_TOO_LARGE', () => prepare(topic('t'), 'x'.repeat(184_320), {}, context));
  });

  for (const options of [
    { ID: 'x' },
    { id: '' },
    { id: 7 },
    { id: 'a\nb' },
    { type: 7 },
    { subject: '' },
    { time: 'yesterday' },
    { time: 5 },
    { time: null },
    { time: new Date(Number.NaN) },
    { correlationId: '' },
    { causationId: 7 },
    { extensions: { source: 'x' } },
    { cause: {} },
    { cause: 'x' },
    { cause: null },
  ]) {
    it(`refuses ${JSON.stringify(options)}`, () => {
      assert.throws(() => prepare(orders, { id: 'k' }, options as never, context), {
        name: 'TypeError',
        message: /publish/,
      });
    });
  }
});
