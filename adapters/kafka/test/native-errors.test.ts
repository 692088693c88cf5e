import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import kafkajs from 'kafkajs';
import { BusError, type ErrorCode } from '@duobus/core/driver';
import { classify, KafkaCode, kafkaCode, publishFailure } from '../src/native-errors.ts';

const connection = (message: string, code?: string): Error =>
  new kafkajs.KafkaJSConnectionError(message, {
    broker: 'b:9092',
    ...(code === undefined ? {} : { code }),
  });
const timeout = Object.assign(new Error('Request Produce timed out'), {
  name: 'KafkaJSRequestTimeoutError',
});
const protocol = (code: number, type: string): Error =>
  Object.assign(new Error(type), { name: 'KafkaJSProtocolError', code, type });

const table: readonly (readonly [string, unknown, ErrorCode, boolean, 'rejected' | 'unknown'])[] = [
  ['offset out of range', new KafkaCode(1), 'DUOBUS_POSITION_GONE', false, 'rejected'],
  ['corrupt message', new KafkaCode(2), 'DUOBUS_REJECTED', true, 'rejected'],
  ['unknown topic', new KafkaCode(3), 'DUOBUS_NOT_FOUND', false, 'rejected'],
  ['no leader', new KafkaCode(5), 'DUOBUS_UNAVAILABLE', true, 'rejected'],
  ['not leader', protocol(6, 'NOT_LEADER_FOR_PARTITION'), 'DUOBUS_UNAVAILABLE', true, 'rejected'],
  ['broker did not finish in time', new KafkaCode(7), 'DUOBUS_UNAVAILABLE', true, 'unknown'],
  ['message too large', new KafkaCode(10), 'DUOBUS_TOO_LARGE', false, 'rejected'],
  [
    'metadata too large',
    protocol(12, 'OFFSET_METADATA_TOO_LARGE'),
    'DUOBUS_TOO_LARGE',
    false,
    'rejected',
  ],
  [
    'coordinator loading',
    protocol(14, 'GROUP_LOAD_IN_PROGRESS'),
    'DUOBUS_UNAVAILABLE',
    true,
    'rejected',
  ],
  [
    'not coordinator',
    protocol(16, 'NOT_COORDINATOR_FOR_GROUP'),
    'DUOBUS_UNAVAILABLE',
    true,
    'rejected',
  ],
  ['not enough replicas', new KafkaCode(19), 'DUOBUS_UNAVAILABLE', true, 'rejected'],
  ['not enough replicas after append', new KafkaCode(20), 'DUOBUS_UNAVAILABLE', true, 'unknown'],
  [
    'inconsistent protocol',
    protocol(23, 'INCONSISTENT_GROUP_PROTOCOL'),
    'DUOBUS_CONFLICT',
    false,
    'rejected',
  ],
  [
    'invalid session timeout',
    protocol(26, 'INVALID_SESSION_TIMEOUT'),
    'DUOBUS_INVALID',
    false,
    'rejected',
  ],
  ['topic authorisation', new KafkaCode(29), 'DUOBUS_PERMISSION', false, 'rejected'],
  ['out of order sequence', new KafkaCode(45), 'DUOBUS_UNAVAILABLE', true, 'rejected'],
  ['storage error', new KafkaCode(56), 'DUOBUS_UNAVAILABLE', true, 'unknown'],
  ['invalid record', new KafkaCode(87), 'DUOBUS_REJECTED', false, 'rejected'],
  ['a code nobody knows', new KafkaCode(9_999), 'DUOBUS_BUG', false, 'unknown'],
  [
    'connection refused',
    connection('Connection error: connect ECONNREFUSED 127.0.0.1:1', 'ECONNREFUSED'),
    'DUOBUS_UNAVAILABLE',
    true,
    'rejected',
  ],
  [
    'connection reset',
    connection('Connection error: read ECONNRESET', 'ECONNRESET'),
    'DUOBUS_UNAVAILABLE',
    true,
    'unknown',
  ],
  ['not connected', connection('Not connected'), 'DUOBUS_UNAVAILABLE', true, 'rejected'],
  [
    'connection closed',
    Object.assign(connection('Closed connection'), { name: 'KafkaJSConnectionClosedError' }),
    'DUOBUS_UNAVAILABLE',
    true,
    'unknown',
  ],
  ['request timeout', timeout, 'DUOBUS_UNAVAILABLE', true, 'unknown'],
  [
    'untrusted certificate',
    connection('Connection error: self-signed certificate', 'DEPTH_ZERO_SELF_SIGNED_CERT'),
    'DUOBUS_PERMISSION',
    false,
    'rejected',
  ],
  [
    'wrong password',
    Object.assign(new Error('SASL PLAIN authentication failed'), {
      name: 'KafkaJSSASLAuthenticationError',
    }),
    'DUOBUS_PERMISSION',
    false,
    'rejected',
  ],
  [
    'wrapped by the retrier',
    Object.assign(new Error('LEADER_NOT_AVAILABLE'), {
      name: 'KafkaJSNumberOfRetriesExceeded',
      cause: protocol(5, 'LEADER_NOT_AVAILABLE'),
    }),
    'DUOBUS_UNAVAILABLE',
    true,
    'rejected',
  ],
  [
    'aggregate',
    Object.assign(new Error('Topic creation errors'), {
      name: 'KafkaJSAggregateError',
      errors: [protocol(36, 'TOPIC_ALREADY_EXISTS')],
    }),
    'DUOBUS_CONFLICT',
    false,
    'rejected',
  ],
  ['a mistake of ours', new TypeError('x is not a function'), 'DUOBUS_BUG', false, 'unknown'],
];

describe('errors of Kafka', () => {
  for (const [name, error, code, retryable, outcome] of table) {
    it(`means ${code} by ${name}`, () => {
      const classified = classify(error, 'doing something');
      assert.deepEqual([classified.code, classified.retryable], [code, retryable]);
      assert.match(classified.message, /^doing something: ./);
      assert.ok(classified.cause instanceof Error);
      const failure = publishFailure(error, 'publishing', { topic: 't' });
      assert.deepEqual(
        [failure.status, failure.error.outcome, failure.error.code],
        [outcome, outcome, code],
      );
    });
  }

  it('leaves a BusError as it is', () => {
    const error = new BusError('DUOBUS_CLOSED', 'closed');
    assert.equal(classify(error), error);
    assert.equal(publishFailure(error, '', {}).status, 'rejected');
  });

  it("does not take an abort signal's number for one of Kafka's", () => {
    assert.equal(kafkaCode(new DOMException('aborted', 'AbortError')), undefined);
    assert.equal(kafkaCode(new KafkaCode(20)), 20);
  });
});
