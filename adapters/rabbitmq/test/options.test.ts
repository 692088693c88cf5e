import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createAdapter, rabbitmq, type RabbitmqOptions, schemes } from '../src/index.ts';
import { readOptions } from '../src/options.ts';

describe('options', () => {
  it('show where they lead without credentials', () => {
    const { where } = readOptions({ url: 'amqps://user:p%40ss@[::1]:1234/my%2Fhost' });
    assert.equal(where, "amqps://[::1]:1234, vhost 'my/host'");
    assert.equal(readOptions({}).where, "amqp://localhost:5672, vhost '/'");
    assert.equal(
      readOptions({ tls: true, host: 'h', vhost: 'a b' }).where,
      "amqps://h:5671, vhost 'a b'",
    );
  });

  it('may name several nodes', () => {
    const url = 'amqp://user:p%2C%40@a:1, b,[::1]:3/v';
    assert.equal(readOptions({ url }).where, "amqp://a:1,b:5672,[::1]:3, vhost 'v'");
    assert.equal(readOptions({ url, host: 'c' }).where, "amqp://c:1, vhost 'v'");
    assert.equal(
      readOptions({ url, hosts: ['d:4', 'e'], port: 5 }).where,
      "amqp://d:4,e:5, vhost 'v'",
    );
    assert.throws(() => readOptions({ hosts: [] }), TypeError);
    assert.throws(() => readOptions({ hosts: ['a'], host: 'b' }), TypeError);
    assert.throws(() => readOptions({ hosts: ['u:p@a'] }), /every one of hosts must be host:port/);
    assert.throws(() => readOptions({ url: 'amqp://a,,b' }), TypeError);
  });

  it('are refused when they make no sense, without repeating a URL', () => {
    for (const url of ['http://user:hunter2@host', 'user:hunter2@host', '']) {
      assert.throws(
        () => rabbitmq({ url }),
        (error) => error instanceof TypeError && !error.message.includes('hunter2'),
      );
    }
    assert.throws(
      () => rabbitmq({ heartbeatMs: 10 }),
      /heartbeatMs must be an integer of at least 1,000, got 10/,
    );
    assert.throws(() => rabbitmq({ consumerTimeoutMs: Number.NaN }), TypeError);
    assert.throws(() => rabbitmq({ connectTimeoutMs: '5' as never }), TypeError);
  });

  it('reach the adapter from a URL and plain data', () => {
    const { queue, name } = createAdapter({
      url: 'amqp://localhost',
      options: { consumerTimeoutMs: 60_000 },
    });
    assert.equal(name, 'rabbitmq');
    assert.equal(queue?.capabilities.leaseMs, 60_000);
    assert.ok(Object.isFrozen(queue?.capabilities));
    assert.deepEqual(schemes, ['amqp', 'amqps']);
  });
});

/** Every option written wrong, and a value of a wrong type: what the environment gives, where that can be taken for right. */
const slips: Readonly<
  Record<keyof Required<RabbitmqOptions>, readonly [misspelt: string, wrong: unknown]>
> = {
  url: ['uri', 7],
  host: ['hosst', 7],
  hosts: ['hostss', 'a:1'],
  port: ['prot', '5672'],
  username: ['user', 7],
  password: ['pasword', 7],
  vhost: ['vhot', 7],
  tls: ['TLS', 'true'],
  heartbeatMs: ['heartbeat', '10000'],
  connectTimeoutMs: ['connectTimeout', '1000'],
  connectionName: ['connectionname', 7],
  consumerTimeoutMs: ['consumerTimeout', '1000'],
  groupLeaseMs: ['groupLease', '1000'],
  connect: ['conect', 'amqp'],
};

describe('every option', () => {
  const refused = (options: object, says: RegExp): void =>
    assert.throws(() => rabbitmq(options), { name: 'TypeError', message: says });

  for (const [option, [misspelt, wrong]] of Object.entries(slips))
    it(`${option} is not ${misspelt}, and not any value will do`, () => {
      refused({ [misspelt]: undefined }, new RegExp(`^rabbitmq: .*'${misspelt}'.*'${option}'`));
      refused({ [option]: wrong }, new RegExp(`^rabbitmq: .*${option}`));
    });

  it('is known by its name in objects within, and in the URL', () => {
    refused({ tls: { servername: '' } }, /tls.servername must be/);
    refused({ tls: { rejectUnauthorised: false } }, /tls: .*'rejectUnauthorized'/);
    const ofUrl = (query: string) => () => createAdapter({ url: `amqp://a/v?${query}` });
    assert.throws(ofUrl('heartbeat=5'), /'heartbeat'. Give it as the option 'heartbeatMs'/);
    assert.throws(ofUrl('frameMax=5'), /unknown parameter 'frameMax'/);
    assert.throws(() => createAdapter({ url: 'amqp://u:%zz@a' }), TypeError);
  });
});
