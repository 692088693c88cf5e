import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';
import { parseArguments } from '../src/arguments.ts';
import { parseSpec, versionEnvironment } from '../src/spec.ts';

describe('parseArguments', () => {
  it('takes names once, with their version spelt out', () => {
    assert.deepEqual(parseArguments(['up', 'rabbitmq', 'kafka', 'rabbitmq@4.3']), {
      verb: 'up',
      names: ['rabbitmq@4.3', 'kafka'],
    });
  });

  it('shows the status when nothing is asked', () => {
    assert.deepEqual(parseArguments([]), { verb: 'status' });
  });

  it('downs everything when no name is given', () => {
    assert.deepEqual(parseArguments(['down']), { verb: 'down', names: [] });
  });

  it('says what it knows when it is told something else', () => {
    assert.throws(
      () => parseArguments(['start', 'kafka']),
      /unknown command "start"[^]*up rabbitmq/,
    );
    assert.throws(() => parseArguments(['up']), /up what/);
    assert.throws(
      () => parseArguments(['up', 'nats']),
      /unknown broker "nats"; known are: rabbitmq/,
    );
  });
});

describe('parseSpec', () => {
  it('knows the three lines of RabbitMQ', () => {
    assert.equal(parseSpec('rabbitmq@3.10').version, '3.10');
    assert.throws(() => parseSpec('rabbitmq@3.9'), TypeError);
  });

  it('takes any prefix of the version of Kafka', () => {
    for (const text of ['kafka', 'kafka@4', 'kafka@4.3', 'kafka@4.3.1']) {
      assert.equal(parseSpec(text).name, 'kafka');
    }
    assert.throws(() => parseSpec('kafka@4.30'), TypeError);
    assert.throws(() => parseSpec('toString@1'), TypeError);
    assert.throws(() => parseSpec('rabbitmq@toString'), TypeError);
  });

  it('knows what a name without a version means', () => {
    const names = ['redis', 'valkey', 'postgres', 'sns-sqs', 'kafka-cluster', 'redis-cluster'];
    assert.deepEqual(
      names.map((text) => parseSpec(text).name),
      ['redis@8.0', 'valkey@9.1', 'postgres@15', 'sns-sqs', 'kafka-cluster', 'redis-cluster@8.0'],
    );
  });

  it('takes Valkey for a Redis of another source', () => {
    const { kind, product, source } = parseSpec('valkey@8.1');
    assert.deepEqual(
      { kind, product, source },
      { kind: 'redis', product: 'valkey', source: 'trixie' },
    );
    assert.throws(() => parseSpec('redis@9.1'), TypeError);
  });
});

describe('a version from the environment', () => {
  const variables = ['DUOBUS_TEST_REDIS_VERSION', 'DUOBUS_TEST_RABBITMQ_VERSION'];
  const before = variables.map((name) => [name, process.env[name]] as const);
  afterEach(() => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });

  it('is followed by the names that have none, of clusters too', () => {
    process.env['DUOBUS_TEST_REDIS_VERSION'] = 'valkey@8.1';
    assert.equal(parseSpec('redis').name, 'valkey@8.1');
    assert.equal(parseSpec('redis-cluster').name, 'valkey-cluster@8.1');
    assert.equal(parseSpec('redis@8.0').name, 'redis@8.0');
    assert.equal(parseSpec('valkey').name, 'valkey@9.1');
  });

  it('may be a version or a product alone', () => {
    process.env['DUOBUS_TEST_REDIS_VERSION'] = '7.0';
    assert.equal(parseSpec('redis').name, 'redis@7.0');
    process.env['DUOBUS_TEST_REDIS_VERSION'] = 'valkey';
    assert.equal(parseSpec('redis').name, 'valkey@9.1');
    process.env['DUOBUS_TEST_RABBITMQ_VERSION'] = '4.0';
    assert.equal(parseSpec('rabbitmq-cluster').name, 'rabbitmq-cluster@4.0');
  });

  it('is refused when it is of another kind', () => {
    process.env['DUOBUS_TEST_REDIS_VERSION'] = 'kafka@4.3.1';
    assert.throws(() => parseSpec('redis'), /DUOBUS_TEST_REDIS_VERSION=kafka@4.3.1/);
  });

  it('is what a matrix sets for the broker it has started', () => {
    for (const name of ['valkey@8.1', 'valkey-cluster@8.1']) {
      assert.deepEqual(versionEnvironment(name), { DUOBUS_TEST_REDIS_VERSION: 'valkey@8.1' });
    }
    assert.deepEqual(versionEnvironment('rabbitmq@4.0'), {
      DUOBUS_TEST_RABBITMQ_VERSION: 'rabbitmq@4.0',
    });
    assert.deepEqual(versionEnvironment('kafka'), {});
  });
});
