import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  checkAttributes,
  checkExtensions,
  checkSource,
  checkTime,
  makeAttributes,
} from '../src/envelope.ts';
import { newId } from '../src/internal/new-id.ts';

const known = {
  id: '1',
  source: '/shop',
  type: 'order.placed',
  time: '2026-11-01T12:00:00.000Z',
  datacontenttype: 'application/json',
};

describe('newId', () => {
  it('makes UUIDs of version 7 that increase strictly', () => {
    let previous = '';
    for (let count = 0; count < 20_000; count += 1) {
      const id = newId();
      assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      assert.ok(id > previous, `${id} comes after ${previous}`);
      previous = id;
    }
  });

  it('goes on increasing when the clock steps back', (context) => {
    const before = newId();
    context.mock.method(Date, 'now', () => 0);
    const after = newId();
    assert.ok(after > before);
    assert.ok(newId() > after);
  });

  it('ends every id with other random bits', () => {
    const random = new Set(Array.from({ length: 1000 }, () => newId().slice(-12)));
    assert.equal(random.size, 1000);
  });

  it('carries the time at which it was made', () => {
    const before = Date.now();
    const made = Number.parseInt(newId().replaceAll('-', '').slice(0, 12), 16);
    assert.ok(made >= before - 1 && made <= Date.now() + 1000);
  });
});

describe('makeAttributes', () => {
  it('leaves out what is not known', () => {
    assert.deepEqual(makeAttributes(known), { specversion: '1.0', ...known });
  });

  it('puts extensions beside the rest', () => {
    const attributes = makeAttributes({ ...known, subject: 's' }, { traceparent: '00-1' });
    assert.equal(attributes['traceparent'], '00-1');
    assert.equal(attributes['subject'], 's');
  });

  it('freezes them', () => {
    assert.ok(Object.isFrozen(makeAttributes(known)));
  });
});

describe('checkExtensions', () => {
  for (const name of [
    'Upper',
    'under_score',
    'da-sh',
    '',
    'a'.repeat(21),
    '__proto__x',
    'ümlaut',
  ]) {
    it(`refuses the name '${name}'`, () => {
      assert.throws(() => checkExtensions({ [name]: 'x' }), TypeError);
    });
  }

  for (const [name, option] of [
    ['partitionkey', 'key'],
    ['correlationid', 'correlationId'],
    ['source', 'connect'],
    ['data', 'document'],
  ] as const) {
    it(`sends '${name}' to where it is set`, () => {
      assert.throws(() => checkExtensions({ [name]: 'x' }), new RegExp(option));
    });
  }

  for (const value of [1, true, null, undefined, {}, 'a\u0000b', 'a\nb', '\ud800']) {
    it(`refuses the value ${JSON.stringify(value)}`, () => {
      assert.throws(() => checkExtensions({ name: value }), TypeError);
    });
  }

  it('takes what CloudEvents allows', () => {
    checkExtensions({ a: '', a1: 'größe 😀', ['a'.repeat(20)]: 'x' });
  });

  it('refuses what is not an object', () => {
    for (const value of [null, [], 'x', 1]) assert.throws(() => checkExtensions(value), TypeError);
  });
});

describe('checkSource', () => {
  for (const source of [
    '/shop/orders',
    'urn:uuid:6e8b',
    'https://shop.example/a?b=c#d',
    'mailto:a@b.c',
    'a%20b',
    '#x',
  ]) {
    it(`takes ${source}`, () => checkSource(source));
  }
  for (const source of [
    '',
    ' ',
    '/a b',
    '/größe',
    'a%2',
    '/a\n',
    undefined,
    null,
    7,
    '/<x>',
    'x'.repeat(1025),
  ]) {
    it(`refuses ${JSON.stringify(source)?.slice(0, 30)}`, () => {
      assert.throws(() => checkSource(source), { name: 'TypeError', message: /source/ });
    });
  }
});

describe('checkTime', () => {
  for (const time of [
    '2026-11-01T12:00:00Z',
    '2026-11-01t12:00:00.123456+05:30',
    '2016-12-31T23:59:60z',
  ]) {
    it(`takes ${time}`, () => checkTime(time));
  }
  for (const time of [
    '2026-11-01',
    '2026-11-01T12:00:00',
    '2026-13-01T12:00:00Z',
    'now',
    5,
    '2026-11-01T25:00:00Z',
  ]) {
    it(`refuses ${time}`, () => assert.throws(() => checkTime(time), TypeError));
  }
});

describe('checkAttributes', () => {
  const sound = makeAttributes(known);

  it('takes what makeAttributes makes', () => checkAttributes(sound));

  for (const [name, value] of [
    ['specversion', '0.3'],
    ['id', ''],
    ['type', ''],
    ['source', ''],
    ['source', 'a b'],
    ['subject', ''],
    ['partitionkey', ''],
    ['time', 'yesterday'],
    ['myExtension', 'x'],
    ['number', 7],
  ] as const) {
    it(`refuses ${name} ${JSON.stringify(value)}`, () => {
      assert.throws(() => checkAttributes({ ...sound, [name]: value }), TypeError);
    });
  }
});
