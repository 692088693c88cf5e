import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createAdapter, schemes, snsSqs } from '../src/index.ts';
import { optionsOfUrl, settingsOf, type SnsSqsOptions } from '../src/options.ts';

describe('options', () => {
  it('have defaults', () => {
    assert.deepEqual(settingsOf({ bucket: 'b' }), {
      region: undefined,
      bucket: 'b',
      endpoint: undefined,
      credentials: undefined,
      prefix: 'duobus',
      root: 'duobus/',
      visibilityMs: 30_000,
      pollMs: 20_000,
      probes: 3,
      leaseMs: 30_000,
      lookEveryMs: 20_000,
      connectTimeoutMs: 5_000,
      requestTimeoutMs: 10_000,
      where: 'AWS',
    });
    const emulated = settingsOf({ endpoint: 'http://127.0.0.1:4566/' });
    assert.deepEqual(
      [emulated.endpoint, emulated.bucket, emulated.region, emulated.where],
      ['http://127.0.0.1:4566', 'duobus', 'us-east-1', 'http://127.0.0.1:4566'],
    );
  });

  const urls: readonly [url: string, options: SnsSqsOptions][] = [
    ['sns+sqs://eu-central-1/my-bucket', { region: 'eu-central-1', bucket: 'my-bucket' }],
    ['sns+sqs:///my-bucket', { bucket: 'my-bucket' }],
    ['sns+sqs://eu-central-1/my%2Dbucket/', { region: 'eu-central-1', bucket: 'my-bucket' }],
    ['sns+sqs://127.0.0.1:4566', { endpoint: 'http://127.0.0.1:4566' }],
    ['sns+sqs://localhost', { endpoint: 'http://localhost' }],
    ['sns+sqs://[::1]:4566/b', { endpoint: 'http://[::1]:4566', bucket: 'b' }],
    [
      'sns+sqs://aws.example.com/b?tls=true&region=eu-west-1',
      { endpoint: 'https://aws.example.com', region: 'eu-west-1', bucket: 'b' },
    ],
    [
      'sns+sqs://key:se%2Fc%3Aret%40@127.0.0.1:4566?tls=false',
      {
        endpoint: 'http://127.0.0.1:4566',
        credentials: { accessKeyId: 'key', secretAccessKey: 'se/c:ret@' },
      },
    ],
  ];
  for (const [url, options] of urls)
    it(`come from ${url}`, () => {
      assert.deepEqual(optionsOfUrl(url), options);
      assert.doesNotThrow(() => settingsOf(optionsOfUrl(url)));
    });

  it('win over the URL', () => {
    assert.deepEqual(schemes, ['sns+sqs']);
    const { name, log } = createAdapter({
      url: 'sns+sqs://eu-central-1/b',
      options: { leaseMs: 5_000 },
    });
    assert.deepEqual([name, log?.capabilities.leaseMs], ['sns-sqs', 5_000]);
    assert.throws(
      () => createAdapter({ url: 'sns+sqs://127.0.0.1:4566', options: { bucket: '' } }),
      /bucket must be/,
    );
  });

  const wrong: readonly [given: unknown, says: RegExp][] = [
    [null, /options must be an object/],
    [{}, /bucket is missing.*my-bucket/],
    [{ bucket: 7 }, /bucket must be a string that is not empty/],
    [{ bucket: 'b', buckets: 'b' }, /unknown option 'buckets'. Did you mean 'bucket'/],
    [{ bucket: 'b', region: '' }, /region must be/],
    [{ endpoint: 'localhost:4566' }, /endpoint must look like http/],
    [{ endpoint: 'http://user:hush@h' }, /endpoint must look like http/],
    [{ endpoint: 'http://h/path' }, /endpoint must look like http/],
    [{ bucket: 'b', prefix: 'a/b' }, /prefix must be of 1 to 16/],
    [{ bucket: 'b', prefix: 'x'.repeat(17) }, /prefix must be of 1 to 16/],
    [{ bucket: 'b', credentials: 'hush' }, /credentials: options must be an object/],
    [
      { bucket: 'b', credentials: { accessKeyID: 'hush' } },
      /'accessKeyID'. Did you mean 'accessKeyId'/,
    ],
    [
      {
        bucket: 'b',
        credentials: { accessKeyId: 'a', secretAccessKey: 'hush', expiration: new Date(0) },
      },
      /credentials that end must come from a function/,
    ],
    [{ bucket: 'b', credentials: { accessKeyId: 'hush' } }, /accessKeyId and secretAccessKey/],
    [
      {
        bucket: 'b',
        credentials: { accessKeyId: 'a', secretAccessKey: 'hush', sessionToken: '' },
      },
      /credentials must be an object with accessKeyId and secretAccessKey/,
    ],
    [{ bucket: 'b', visibilityMs: 2_500 }, /visibilityMs must be whole seconds/],
    [{ bucket: 'b', visibilityMs: 1_000 }, /visibilityMs must be an integer from 2,000 to 600,000/],
    [{ bucket: 'b', pollMs: 21_000 }, /pollMs must be an integer from 1,000 to 20,000/],
    [{ bucket: 'b', probes: 0 }, /probes must be an integer from 1 to 20/],
    [{ bucket: 'b', leaseMs: 999 }, /leaseMs must be an integer of at least 1,000/],
    [{ bucket: 'b', lookEveryMs: '100' }, /lookEveryMs must be an integer of at least 100/],
    [{ bucket: 'b', connectTimeoutMs: 1 }, /connectTimeoutMs must be/],
    [{ bucket: 'b', requestTimeoutMs: Infinity }, /requestTimeoutMs must be/],
  ];
  for (const [given, says] of wrong)
    it(`are refused: ${says.source}, given ${JSON.stringify(given)}`, () => {
      assert.throws(
        () => snsSqs(given as SnsSqsOptions),
        (error) =>
          error instanceof TypeError &&
          says.test(error.message) &&
          error.message.startsWith('sns-sqs: ') &&
          !error.message.includes('hush'),
      );
    });

  const wrongUrls: readonly [url: string, says: RegExp][] = [
    ['sqs://eu-central-1/b', /must look like sns\+sqs/],
    ['sns+sqs://eu-central-1/b/c', /must look like sns\+sqs/],
    ['sns+sqs://hush@127.0.0.1:4566', /credentials in the URL must be key:secret@/],
    ['sns+sqs://:hush@127.0.0.1:4566', /credentials in the URL must be key:secret@/],
    ['sns+sqs://k:hush:x@127.0.0.1:4566', /credentials in the URL must be key:secret@/],
    ['sns+sqs://k:hush%ZZ@127.0.0.1:4566', /percent-encoded/],
    ['sns+sqs://eu-central-1/b?bucket=c', /unknown parameter 'bucket'/],
    ['sns+sqs://eu-central-1/b?tls=true', /tls of the URL is for endpoints/],
    ['sns+sqs://127.0.0.1:4566/b?tls=yes', /tls of the URL must be true or false/],
    ['sns+sqs://eu-central-1/%ZZ', /percent-encoded/],
  ];
  for (const [url, says] of wrongUrls)
    it(`are refused: ${url}`, () => {
      assert.throws(
        () => createAdapter({ url }),
        (error) =>
          error instanceof TypeError &&
          says.test(error.message) &&
          !error.message.includes('hush') &&
          error.cause === undefined,
      );
    });
});

/** Every option written wrong, and a value of a wrong type: what the environment gives, where that can be taken for right. */
const slips: Readonly<
  Record<keyof Required<SnsSqsOptions>, readonly [misspelt: string, wrong: unknown]>
> = {
  region: ['regoin', 7],
  bucket: ['buckets', 7],
  endpoint: ['endpiont', 7],
  credentials: ['credential', 'key'],
  prefix: ['prefx', 7],
  visibilityMs: ['visibility', '2000'],
  pollMs: ['poll', '1000'],
  probes: ['probs', '3'],
  leaseMs: ['lease', '1000'],
  lookEveryMs: ['lookEvery', '1000'],
  connectTimeoutMs: ['connectTimeout', '1000'],
  requestTimeoutMs: ['requestTimeout', '1000'],
};

describe('every option', () => {
  const refused = (options: object, says: RegExp): void =>
    assert.throws(() => snsSqs({ bucket: 'b', ...options }), { name: 'TypeError', message: says });

  for (const [option, [misspelt, wrong]] of Object.entries(slips))
    it(`${option} is not ${misspelt}, and not any value will do`, () => {
      refused({ [misspelt]: undefined }, new RegExp(`^sns-sqs: .*'${misspelt}'.*'${option}'`));
      refused({ [option]: wrong }, new RegExp(`^sns-sqs: .*${option}`));
    });

  it('is known by its name in objects within, and in the URL', () => {
    const credentials = { accessKeyId: 'a', secretAccessKey: 's' };
    refused(
      { credentials: { ...credentials, token: 't' } },
      /credentials: unknown option 'token'. Known are: accessKeyId/,
    );
    const ofUrl = (query: string) => () =>
      createAdapter({ url: `sns+sqs://eu-central-1/b?${query}` });
    assert.throws(ofUrl('regoin=x'), /unknown parameter 'regoin'. Did you mean 'region'/);
    assert.throws(ofUrl('prefix=x'), /'prefix'. Give it as the option 'prefix'/);
  });
});
