import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { describe, it } from 'node:test';
import { BusError } from '../src/errors.ts';
import { deferred } from '../src/internal/deferred.ts';
import { OptionReader } from '../src/option-reader.ts';
import type { Secret, TlsOptions } from '../src/secret.ts';
import { Secrets } from '../src/secrets.ts';

type Options = { readonly password?: Secret; readonly username?: Secret };

function secretsOf(options: Options, timeoutMs = 5_000) {
  const reader = new OptionReader('broker', options, ['username', 'password']);
  const sources = { username: reader.secret('username'), password: reader.secret('password') };
  return new Secrets('broker', sources, timeoutMs);
}

async function failure(attempt: Promise<unknown>): Promise<BusError> {
  const error = await attempt.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(BusError.is(error), inspect(error));
  assert.doesNotMatch(inspect(error, { depth: 9, showHidden: true }), /hunter2/);
  return error;
}

const refused = (): BusError => new BusError('DUOBUS_PERMISSION', 'check username and password');

describe('Secrets', () => {
  it('are asked for anew at every attempt, and values are what they are', async () => {
    let asked = 0;
    const secrets = secretsOf({ username: 'ada', password: async () => `p${(asked += 1)}` });
    const seen: unknown[] = [];
    for (const _ of [1, 2]) await secrets.use(async (login) => seen.push(login));
    assert.deepEqual(seen, [
      { username: 'ada', password: 'p1' },
      { username: 'ada', password: 'p2' },
    ]);
  });

  it('are asked for once by attempts that begin at the same time, the user first', async () => {
    const asked: string[] = [];
    const ask = (name: string) => async () => {
      asked.push(name);
      return name;
    };
    const secrets = secretsOf({ username: ask('u'), password: ask('p') });
    await Promise.all([1, 2, 3].map(() => secrets.use(async ({ password }) => password)));
    assert.deepEqual(asked, ['u', 'p']);
  });

  it('say which function has thrown and of what kind, and nothing of what it said', async () => {
    const unreachable = Object.assign(new Error('vault://hunter2 is away'), {
      code: 'ECONNREFUSED',
    });
    for (const thrown of [
      unreachable,
      new SyntaxError('hunter2 is not JSON'),
      'hunter2',
      undefined,
    ]) {
      for (const password of [
        () => Promise.reject(thrown),
        () => {
          throw thrown;
        },
      ]) {
        const error = await failure(secretsOf({ password }).use(async () => 1));
        assert.deepEqual([error.code, error.retryable], ['DUOBUS_UNAVAILABLE', true]);
        assert.match(error.message, /^broker: password: the function/);
        if (thrown === unreachable) assert.match(error.message, /Error ECONNREFUSED/);
      }
    }
  });

  const nonsense: readonly [given: unknown, says: RegExp][] = [
    [undefined, /returned undefined/],
    [null, /returned null/],
    ['', /returned an empty string/],
    [7, /returned a number/],
    [{ secret: 'hunter2' }, /returned an object/],
    [() => 'hunter2', /returned a function/],
  ];
  for (const [given, says] of nonsense)
    it(`say that a function has ${says.source}`, async () => {
      const secrets = secretsOf({ password: (() => given) as () => string });
      const error = await failure(secrets.use(async () => 1));
      assert.deepEqual([error.code, error.retryable], ['DUOBUS_INVALID', false]);
      assert.match(error.message, /^broker: password: .* must return a string that is not empty/);
      assert.match(error.message, says);
    });

  it('do not wait for a function that does not answer, and ask it again', async () => {
    let answer = (): Promise<string> => new Promise(() => undefined);
    const secrets = secretsOf({ username: 'ada', password: () => answer() }, 20);
    const error = await failure(secrets.use(async () => 1));
    assert.deepEqual([error.code, error.retryable], ['DUOBUS_UNAVAILABLE', true]);
    assert.match(error.message, /given for password have not all answered within 20 ms/);
    answer = async () => 'now';
    assert.equal(await secrets.use(async ({ password }) => password), 'now');
  });

  it('are not waited for when the signal is aborted, and nothing is left behind', async () => {
    const timers = (): number =>
      process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
    const before = timers();
    const answer = deferred<string>();
    const secrets = secretsOf({ password: () => answer.promise }, 60_000);
    const ending = new AbortController();
    let connected = false;
    const used = secrets.use(async () => (connected = true), ending.signal);
    ending.abort(new Error('closed'));
    await assert.rejects(used, /closed/);
    assert.equal(timers(), before);
    answer.resolve('late');
    assert.equal(await secrets.use(async ({ password }) => password), 'late');
    assert.equal(connected, false);
  });

  it('make a refusal retryable once they were accepted, for functions alone', async () => {
    const refuse = (): Promise<never> => Promise.reject(refused());
    for (const [password, retryable] of [
      ['p', false],
      [() => 'p', true],
    ] as const) {
      const secrets = secretsOf({ password });
      assert.equal((await failure(secrets.use(refuse))).retryable, false);
      await secrets.use(async () => 'connected');
      const error = await failure(secrets.use(refuse));
      assert.deepEqual([error.code, error.retryable], ['DUOBUS_PERMISSION', retryable]);
    }
    const secrets = secretsOf({ password: () => 'p' });
    await secrets.use(async () => 'connected');
    const bug = new BusError('DUOBUS_BUG', 'no');
    assert.equal(await failure(secrets.use(() => Promise.reject(bug))), bug);
  });

  it('of TLS come from functions too', async () => {
    let serial = 0;
    const given: TlsOptions = {
      ca: ['one', Uint8Array.of(50)],
      cert: () => `cert${(serial += 1)}`,
      key: async () => Uint8Array.of(7),
      passphrase: 'open',
      servername: 'broker',
      rejectUnauthorized: false,
    };
    const reader = new OptionReader('broker', { tls: given }, ['tls']);
    const tls = reader.tls('tls') || undefined;
    const secrets = new Secrets('broker', { tls }, 1_000);
    for (const cert of ['cert1', 'cert2'])
      assert.deepEqual(await secrets.use(async (login) => login.tls), {
        ca: ['one', Buffer.from('2')],
        cert,
        key: Buffer.from([7]),
        passphrase: 'open',
        servername: 'broker',
        rejectUnauthorized: false,
      });
    const wrong = new OptionReader('broker', { tls: { key: () => 7 as never } }, ['tls']);
    const broken = new Secrets('broker', { tls: wrong.tls('tls') || undefined }, 1_000);
    assert.match(
      (await failure(broken.use(async () => 1))).message,
      /^broker: tls.key: .*a number/,
    );
  });
});
