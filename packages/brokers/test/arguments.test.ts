import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseArguments } from '../src/arguments.ts';
import { parseSpec } from '../src/spec.ts';

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
});
