import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bytes, isJson, json } from '../src/codec.ts';
import { errorOf } from './support/error-of.ts';

const parse = (text: string, type?: string): unknown => json.decode(Buffer.from(text), type);

describe('json', () => {
  it('brings back what JSON can say', () => {
    for (const document of [null, true, 0, -1.5, '', 'größe 😀', [], {}, { a: [1, { b: null }] }]) {
      assert.deepEqual(json.decode(json.encode(document), 'application/json'), document);
    }
  });

  for (const [what, document, said] of [
    ['undefined', undefined, /undefined/],
    ['a function', () => 1, /function/],
    ['a symbol', Symbol('x'), /symbol/],
    ['a BigInt', { big: 1n }, /BigInt.*string/],
    ['an object whose toJSON is undefined', { toJSON: () => undefined }, /another codec/],
  ] as const) {
    it(`refuses ${what} and says what to do`, () => {
      const error = errorOf('DUOBUS_INVALID', () => json.encode(document));
      assert.match(error.message, said);
      assert.equal(error.outcome, 'rejected');
    });
  }

  it('refuses a document that refers to itself', () => {
    const loop: Record<string, unknown> = {};
    loop['self'] = loop;
    assert.match(errorOf('DUOBUS_INVALID', () => json.encode(loop)).message, /refers to itself/);
  });

  it('says what toJSON threw', () => {
    const cause = new Error('no total');
    const document = {
      toJSON: () => {
        throw cause;
      },
    };
    const error = errorOf('DUOBUS_INVALID', () => json.encode(document));
    assert.match(error.message, /no total/);
    assert.equal(error.cause, cause);
  });

  for (const text of ['{"a":', '\u0000', 'plain', '{"a":1}x']) {
    it(`does not decode ${JSON.stringify(text)}`, () => {
      errorOf('DUOBUS_DECODE', () => parse(text));
    });
  }

  it('does not put document content into the message of what it cannot decode', () => {
    const error = errorOf('DUOBUS_DECODE', () => parse('secret-content'));
    assert.doesNotMatch(error.message, /secret/);
  });

  it('does not take bytes that are not UTF-8 for text', () => {
    errorOf('DUOBUS_DECODE', () => json.decode(Uint8Array.of(0x22, 0xff, 0x22), undefined));
  });

  it('reads a document behind a byte order mark', () => {
    assert.deepEqual(parse('\ufeff{"a":"\u00e9"}'), { a: '\u00e9' });
  });

  it('takes an event without data for undefined', () => {
    assert.equal(json.decode(new Uint8Array(0), 'application/json'), undefined);
  });

  it('reads every content type that is JSON', () => {
    for (const type of [
      'application/json; charset=utf-8',
      'APPLICATION/JSON',
      'application/vnd.order+json',
      'text/json',
    ]) {
      assert.equal(parse('1', type), 1);
    }
  });

  it('names a content type or charset that it does not read', () => {
    assert.match(errorOf('DUOBUS_DECODE', () => parse('1', 'text/xml')).message, /text\/xml/);
    const latin = 'application/json; charset=ISO-8859-1';
    assert.match(errorOf('DUOBUS_DECODE', () => parse('1', latin)).message, /ISO-8859-1/);
  });
});

describe('json and prototypes', () => {
  function merged(text: string): Record<string, unknown> {
    const target: Record<string, unknown> = {};
    copyDeep(target, parse(text) as Record<string, unknown>);
    return target;
  }

  /** The kind of merge that pollutes. */
  function copyDeep(target: Record<string, unknown>, from: Record<string, unknown>): void {
    for (const key in from) {
      const value = from[key];
      if (typeof value === 'object' && value !== null) {
        target[key] ??= {};
        copyDeep(target[key] as Record<string, unknown>, value as Record<string, unknown>);
      } else {
        target[key] = value;
      }
    }
  }

  for (const text of [
    '{"__proto__":{"polluted":true}}',
    '{"a":[{"__proto__":{"polluted":true}}]}',
    '{"\\u005f\\u005fproto\\u005f\\u005f":{"polluted":true}}',
    '{"__pr\\u006fto__":{"polluted":true}}',
    '{"constructor":{"prototype":{"polluted":true}}}',
    '{"c\\u006fnstructor":{"prototype":{"polluted":true}}}',
    '{"constructor" : {"pr\\u006ftotype":{"polluted":true}}}',
  ]) {
    it(`makes ${text} harmless`, () => {
      const target = merged(text);
      const polluted = ({} as { polluted?: boolean }).polluted;
      delete (Object.prototype as { polluted?: boolean }).polluted;
      assert.equal(polluted, undefined);
      assert.equal((target as { polluted?: boolean }).polluted, undefined);
    });
  }

  it('keeps a constructor that is only data', () => {
    assert.deepEqual(parse('{"constructor":"Ferrari"}'), { constructor: 'Ferrari' });
    assert.deepEqual(parse('{"constructor":{"name":"Ferrari"}}'), {
      constructor: { name: 'Ferrari' },
    });
  });

  it('keeps text about it', () => {
    assert.deepEqual(parse('{"text":"__proto__"}'), { text: '__proto__' });
  });

  it('looks through what is nested more deeply than the stack is', () => {
    const depth = 60_000;
    const text = `${'['.repeat(depth)}{"__proto__":1}${']'.repeat(depth)}`;
    let inner = parse(text);
    while (Array.isArray(inner)) [inner] = inner;
    assert.deepEqual(Object.keys(inner as object), []);
  });
});

describe('bytes', () => {
  it('passes bytes through', () => {
    const document = Uint8Array.of(0, 255, 10);
    assert.deepEqual(bytes.decode(bytes.encode(document), undefined), document);
  });

  it('is not changed by what the publisher does with its buffer afterwards', () => {
    const document = Buffer.from('abc');
    const data = bytes.encode(document);
    document.fill(0);
    assert.equal(Buffer.from(data).toString(), 'abc');
  });

  it('gives every reader bytes of its own', () => {
    const data = Buffer.from('abc');
    (bytes.decode(data, undefined) as Uint8Array).fill(0);
    assert.equal(data.toString(), 'abc');
  });

  for (const document of ['text', null, undefined, {}, [1]]) {
    it(`refuses ${JSON.stringify(document)}`, () => {
      const error = errorOf('DUOBUS_INVALID', () => bytes.encode(document));
      assert.equal(error.outcome, 'rejected');
      assert.match(error.message, /Uint8Array/);
    });
  }
});

describe('isJson', () => {
  it('tells JSON from the rest', () => {
    for (const type of ['application/json', ' Application/Json ; charset=utf-8', 'a/b+json'])
      assert.ok(isJson(type));
    for (const type of ['', 'application/jsonp', 'json', 'text/plain; a=/json'])
      assert.ok(!isJson(type));
  });
});
