import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bytes } from '../src/codec.ts';
import { checkInternalName, checkName } from '../src/names.ts';
import { topic } from '../src/topic.ts';

const schema = {
  '~standard': { version: 1 as const, vendor: 'test', validate: (value: unknown) => ({ value }) },
};

/** Options that no type lets through, as they come from plain JavaScript. */
function make(options: object): unknown {
  return topic('orders', options as never);
}

describe('checkName', () => {
  for (const name of ['a', '7', 'orders', 'Shop.orders_v2-eu', 'a'.repeat(80), 'duobusy']) {
    it(`takes ${name.slice(0, 20)}`, () => checkName('topic', name));
  }

  for (const name of ['', '.a', '_a', '-a', 'a b', 'a/b', 'größe', '$sys', 'a\n', 'a'.repeat(81)]) {
    it(`refuses ${JSON.stringify(name).slice(0, 20)} and says what is allowed`, () => {
      assert.throws(() => checkName('subscription', name), {
        name: 'TypeError',
        message: /subscription.*1 to 80 of/,
      });
    });
  }

  for (const name of [undefined, null, 7, {}, ['a']]) {
    it(`refuses ${JSON.stringify(name)}`, () =>
      assert.throws(() => checkName('group', name), TypeError));
  }

  for (const name of ['duobus', 'duobus.registry', 'duobus-x', 'DUOBUS_x']) {
    it(`keeps ${name} for duobus itself`, () => {
      assert.throws(() => checkName('topic', name), { name: 'TypeError', message: /duobus's own/ });
      checkInternalName('topic', name);
    });
  }
});

describe('topic', () => {
  it('has one type, its name, unless told otherwise', () => {
    assert.deepEqual([...topic('orders').types], [['orders', undefined]]);
    assert.deepEqual([...topic('orders', { type: 'placed' }).types], [['placed', undefined]]);
    assert.deepEqual([...topic('orders', { schema, type: 'placed' }).types], [['placed', schema]]);
    assert.deepEqual(
      [...topic('orders', { types: { a: schema, b: schema } }).types.keys()],
      ['a', 'b'],
    );
  });

  it('keeps its options, frozen', () => {
    const key = (): string => 'k';
    const { options } = topic('orders', { key, partitions: 2, codec: bytes, schema });
    assert.deepEqual(options, { key, partitions: 2, codec: bytes });
    assert.ok(Object.isFrozen(options));
  });

  it('names the option that was meant', () => {
    assert.throws(() => make({ partition: 3 }), {
      name: 'TypeError',
      message: /unknown option 'partition'.*'partitions'/,
    });
    assert.throws(() => make({ maxbytes: 3 }), /'maxBytes'/);
    assert.throws(() => make({ somethingElse: 3 }), /Known are: key, order/);
    assert.throws(() => make({ retention: { maxAge: 1 } }), /retention.*'maxAge'.*'maxAgeMs'/);
  });

  for (const options of [
    { partitions: 0 },
    { partitions: 1025 },
    { partitions: 1.5 },
    { partitions: '4' },
    { maxBytes: 0 },
    { maxBytes: 2 ** 31 },
    { retention: 5 },
    { retention: { maxAgeMs: 999 } },
    { retention: { maxAgeMs: Number.POSITIVE_INFINITY } },
    { retention: { maxBytes: 0 } },
    { order: 'keys' },
    { unknownType: 'ignore' },
    { key: 'id' },
    { codec: {} },
    { codec: null },
    { codec: { ...bytes, contentType: '' } },
    { codec: { ...bytes, contentType: 'Application/CloudEvents+json' } },
    { schema: {} },
    { schema: null },
    { types: {} },
    { types: { a: {} } },
    { types: [schema] },
    { types: { a: schema }, schema },
    { types: { a: schema }, type: 'b' },
    { type: '' },
    { type: 'a\nb' },
    { dataschema: '' },
  ]) {
    it(`refuses ${JSON.stringify(options)}`, () =>
      assert.throws(() => make(options), { name: 'TypeError', message: /topic 'orders'/ }));
  }

  it('refuses options that are no object', () => {
    for (const options of [null, 'x', []]) assert.throws(() => make(options as never), TypeError);
  });

  it('takes the limits themselves', () => {
    for (const options of [
      { partitions: 1 },
      { partitions: 1024 },
      { maxBytes: 2 ** 30 },
      { retention: { maxAgeMs: 1000, maxBytes: 1 } },
      { retention: { maxAgeMs: null, maxBytes: null } },
    ]) {
      make(options);
    }
  });
});
