import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OptionReader, urlLogin, urlParameters, urlPart } from '../src/option-reader.ts';

const names = ['count', 'on', 'word', 'kind', 'list', 'hook', 'inner', 'secret', 'tls'] as const;

/** Reads everything that is given. */
function read(given: unknown): unknown[] {
  const reader = new OptionReader('broker', given, names);
  const inner = reader.nested('inner', ['depth']);
  return [
    reader.integer('count', 5, 1, 9),
    reader.flag('on', true),
    reader.text('word', 'hello'),
    reader.oneOf('kind', ['a', 'b']),
    reader.addresses('list', 80),
    reader.fn('hook'),
    inner?.integer('depth', 1, 1),
    reader.secret('secret')?.asks,
    reader.tls('tls'),
  ];
}

describe('OptionReader', () => {
  it('fills in what is not given', () => {
    const none = [
      5,
      true,
      'hello',
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
    ];
    assert.deepEqual(read({}), none);
    assert.deepEqual(read(undefined), none);
    assert.deepEqual(read({ count: undefined, on: undefined, tls: undefined }), none);
  });

  it('reads what is given', () => {
    const hook = (): void => undefined;
    const given = { count: 9, on: false, word: 'w', kind: 'b', list: ['h', '[::1]:7'], hook };
    assert.deepEqual(read({ ...given, inner: { depth: 2 }, secret: () => 's', tls: false }), [
      9,
      false,
      'w',
      'b',
      [
        { host: 'h', port: 80 },
        { host: '::1', port: 7 },
      ],
      hook,
      2,
      true,
      false,
    ]);
  });

  const wrong: readonly [given: unknown, says: RegExp][] = [
    [null, /options must be an object, got null/],
    ['x', /options must be an object, got string/],
    [{ cuont: 5 }, /unknown option 'cuont'. Did you mean 'count'\?/],
    [{ somethingElse: 5 }, /unknown option 'somethingElse'. Known are: count, on, word/],
    [{ inner: { deph: 1 } }, /inner: unknown option 'deph'. Did you mean 'depth'\?/],
    [{ inner: 'hunter2' }, /inner: options must be an object, got string/],
    [{ inner: { depth: '1' } }, /inner.depth must be an integer .*got the string '1'/],
    [{ count: '5' }, /count must be an integer from 1 to 9, got the string '5'/],
    [{ count: 10 }, /count must be an integer from 1 to 9, got 10/],
    [{ count: 1.5 }, /count must be an integer/],
    [{ count: null }, /count must be an integer/],
    [{ on: 'true' }, /on must be true or false, got the string 'true'/],
    [{ on: 1 }, /on must be true or false, got 1/],
    [{ word: '' }, /word must be a string that is not empty/],
    [{ word: 7 }, /word must be a string that is not empty/],
    [{ kind: 'c' }, /kind must be 'a' or 'b', got the string 'c'/],
    [{ list: [] }, /list must be a list of addresses, e.g. \['localhost:80'\]/],
    [{ list: 'h' }, /list must be a list of addresses/],
    [{ list: ['u:hunter2@h'] }, /every one of list must be host:port/],
    [{ hook: 'h' }, /hook must be a function/],
    [{ secret: '' }, /secret must be a string that is not empty; or a function/],
    [{ secret: { value: 'hunter2' } }, /secret must be a string/],
    [{ tls: 'yes' }, /tls must be true, false or an object/],
    [{ tls: [] }, /tls must be true, false or an object/],
    [{ tls: { cafile: 'x' } }, /tls: unknown option 'cafile'. Did you mean 'caFile'\?/],
    [{ tls: { caFile: '/nowhere' } }, /tls.caFile: \/nowhere cannot be read \(ENOENT\)/],
    [{ tls: { caFile: import.meta.filename, ca: 'x' } }, /either tls.ca or tls.caFile/],
    [{ tls: { ca: [7] } }, /tls.ca must be a string or bytes/],
    [{ tls: { key: { pem: 'hunter2' } } }, /tls.key must be a string or bytes/],
    [{ tls: { passphrase: 7 } }, /tls.passphrase must be a string/],
    [{ tls: { servername: 7 } }, /tls.servername must be a string/],
    [{ tls: { rejectUnauthorized: 'false' } }, /tls.rejectUnauthorized must be true or false/],
  ];
  for (const [given, says] of wrong)
    it(`refuses ${JSON.stringify(given)}`, () => {
      assert.throws(
        () => read(given),
        (error) =>
          error instanceof TypeError &&
          error.message.startsWith('broker: ') &&
          says.test(error.message) &&
          !error.message.includes('hunter2'),
      );
    });
});

describe('parts of a URL', () => {
  it('are decoded', () => {
    assert.deepEqual(urlLogin('broker', 'u%40:p%3A:x'), ['u@', 'p::x']);
    assert.equal(urlPart('broker', 'a%2Fb'), 'a/b');
    assert.deepEqual(urlParameters('broker', 'a=1&b=%20', ['a', 'b'], []), { a: '1', b: ' ' });
  });

  it('are refused with what was meant, and without what is secret', () => {
    const refused = (run: () => unknown, says: RegExp): void =>
      assert.throws(
        run,
        (error) =>
          error instanceof TypeError &&
          says.test(error.message) &&
          !`${error.message}${String(error.cause)}`.includes('hunter2'),
      );
    const parameters = (query: string, known: readonly string[] = ['cluster']) =>
      urlParameters('broker', query, known, ['heartbeatMs']);
    refused(
      () => parameters('clustr=hunter2'),
      /unknown parameter 'clustr'. Did you mean 'cluster'/,
    );
    refused(() => parameters('heartbeat=5'), /'heartbeat'. Give it as the option 'heartbeatMs'/);
    refused(() => parameters('zzzzzzzzzzz=5'), /'zzzzzzzzzzz'. Known are: cluster/);
    refused(() => parameters('zzzzzzzzzzz=5', []), /'zzzzzzzzzzz'. Give it as an option/);
    refused(() => parameters('cluster=1&cluster=2'), /parameter cluster twice/);
    refused(() => urlLogin('broker', 'hunter2'), /a user but no password/);
    refused(() => urlLogin('broker', 'u:hunter2%zz'), /percent-encoded/);
  });
});
