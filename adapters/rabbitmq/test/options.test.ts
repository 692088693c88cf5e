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

  it('are refused when they make no sense, without repeating a URL', () => {
    for (const url of ['http://user:hunter2@host', 'user:hunter2@host', '']) {
      assert.throws(
        () => rabbitmq({ url }),
        (error) => error instanceof TypeError && !error.message.includes('hunter2'),
      );
    }
    assert.throws(
      () => rabbitmq({ heartbeatMs: 10 }),
      /heartbeatMs must be a number of at least 1000/,
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
