import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createAdapter, rabbitmq, schemes } from '../src/index.ts';
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
