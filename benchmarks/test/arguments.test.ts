import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseArguments } from '../arguments.ts';

describe('parseArguments', () => {
  it('takes defaults from the adapter', () => {
    assert.deepEqual(parseArguments(['--adapter', 'kafka']), {
      adapter: 'kafka',
      bus: 'data',
      million: false,
      url: undefined,
      documents: 20_000,
      rounds: 5,
      window: 1_000,
      json: undefined,
      profile: undefined,
    });
    assert.equal(parseArguments(['--adapter=rabbitmq']).bus, 'event');
  });

  it('makes a million the default of --million alone', () => {
    assert.equal(parseArguments(['--adapter', 'memory', '--million']).documents, 1_000_000);
    assert.equal(
      parseArguments(['--adapter', 'memory', '--million', '--documents', '1_000']).documents,
      1_000,
    );
  });

  it('reads what is given', () => {
    const given = parseArguments([
      '--adapter',
      'rabbitmq',
      '--bus',
      'data',
      '--url',
      'amqp://127.0.0.1',
      '--rounds',
      '7',
      '--window',
      '64',
      '--json',
      'a.json',
      '--profile',
      'p',
    ]);
    assert.deepEqual(
      [given.bus, given.url, given.rounds, given.window, given.json, given.profile],
      ['data', 'amqp://127.0.0.1', 7, 64, 'a.json', 'p'],
    );
  });

  for (const [args, says] of [
    [[], /--adapter must be one of memory, rabbitmq, kafka, redis-streams, sns-sqs, got nothing/],
    [['--adapter', 'nats'], /got nats/],
    [['--adapter', 'kafka', '--bus', 'both'], /--bus must be event or data/],
    [['--adapter', 'kafka', '--rounds', '0'], /--rounds must be a positive integer, got 0/],
    [
      ['--adapter', 'kafka', '--documents', 'many'],
      /--documents must be a positive integer, got many/,
    ],
    [['--adapter', 'kafka', '--fast'], /--fast/],
  ] as const) {
    it(`refuses ${JSON.stringify(args.join(' '))} with the usage`, () => {
      assert.throws(
        () => parseArguments(args),
        (error) =>
          error instanceof TypeError &&
          says.test(error.message) &&
          error.message.includes('npm run bench'),
      );
    });
  }
});
