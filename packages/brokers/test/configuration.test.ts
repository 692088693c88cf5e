import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { kafkaEndpoints, kafkaProperties } from '../src/kafka-properties.ts';
import { rabbitmqConf } from '../src/rabbitmq.ts';

const ports = { plain: 1, controller: 2, tls: 3, saslPlain: 4, saslTls: 5, amqp: 6, amqps: 7 };

describe('kafkaProperties', () => {
  it('opens nothing but the plain listener unless asked', () => {
    assert.deepEqual(kafkaEndpoints(ports, {}), { plain: 'kafka://127.0.0.1:1' });
    assert.match(
      kafkaProperties('/f', ports, {}),
      /^advertised.listeners=PLAINTEXT:\/\/127.0.0.1:1$/m,
    );
  });

  it('opens all four with TLS and SASL', () => {
    assert.deepEqual(Object.keys(kafkaEndpoints(ports, { tls: true, sasl: true })), [
      'plain',
      'tls',
      'saslPlain',
      'saslTls',
    ]);
  });

  it('lets the own configuration win, which comes last', () => {
    const text = kafkaProperties('/f', ports, { config: { 'offsets.topic.num.partitions': 1 } });
    const values = text.match(/^offsets\.topic\.num\.partitions=\d+$/gm);
    assert.equal(values?.at(-1), 'offsets.topic.num.partitions=1');
  });
});

describe('rabbitmqConf', () => {
  it('enables TLS only when asked', () => {
    assert.doesNotMatch(rabbitmqConf('/f', ports, {}), /ssl/);
    assert.match(rabbitmqConf('/f', ports, { tls: true }), /^listeners\.ssl\.1 = 127\.0\.0\.1:7$/m);
  });

  it('adds the own configuration', () => {
    assert.match(
      rabbitmqConf('/f', ports, { config: { consumer_timeout: 5000 } }),
      /^consumer_timeout = 5000$/m,
    );
  });
});
