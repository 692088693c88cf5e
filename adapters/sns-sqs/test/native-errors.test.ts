import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { ListTopicsCommand } from '@aws-sdk/client-sns';
import { ListQueuesCommand } from '@aws-sdk/client-sqs';
import { BusError } from '@duobus/core/driver';
import { Connection } from '../src/connection.ts';
import { classify, statusOf } from '../src/native-errors.ts';
import { settingsOf } from '../src/options.ts';

interface Given {
  readonly name?: string;
  readonly message?: string;
  readonly status?: number;
  readonly code?: string;
}

function sdkError({ name = 'Error', message = 'said', status, code }: Given): Error {
  return Object.assign(new Error(message), {
    name,
    ...(status === undefined ? {} : { $metadata: { httpStatusCode: status } }),
    ...(code === undefined ? {} : { code }),
  });
}

const cases: readonly [given: Given, code: string, retryable: boolean, outcome: string][] = [
  [{ name: 'ThrottlingException', status: 400 }, 'DUOBUS_UNAVAILABLE', true, 'rejected'],
  [{ name: 'Throttling', status: 400 }, 'DUOBUS_UNAVAILABLE', true, 'rejected'],
  [{ name: 'SlowDown', status: 503 }, 'DUOBUS_UNAVAILABLE', true, 'rejected'],
  [{ name: 'OverLimit', status: 403 }, 'DUOBUS_UNAVAILABLE', true, 'rejected'],
  [{ name: 'KMSThrottlingException', status: 400 }, 'DUOBUS_UNAVAILABLE', true, 'rejected'],
  [
    { name: 'Whatever', message: 'Rate: slow down', status: 400 },
    'DUOBUS_UNAVAILABLE',
    true,
    'rejected',
  ],
  [{ name: 'Whatever', status: 429 }, 'DUOBUS_UNAVAILABLE', true, 'rejected'],
  [{ name: 'AccessDenied', status: 403 }, 'DUOBUS_PERMISSION', false, 'rejected'],
  [{ name: 'AccessDeniedException', status: 400 }, 'DUOBUS_PERMISSION', false, 'rejected'],
  [{ name: 'AuthorizationErrorException', status: 403 }, 'DUOBUS_PERMISSION', false, 'rejected'],
  [{ name: 'InvalidClientTokenId', status: 403 }, 'DUOBUS_PERMISSION', false, 'rejected'],
  [{ name: 'ExpiredToken', status: 400 }, 'DUOBUS_PERMISSION', false, 'rejected'],
  [{ name: 'RequestTimeTooSkewed', status: 403 }, 'DUOBUS_UNAVAILABLE', true, 'rejected'],
  [{ name: 'CredentialsProviderError' }, 'DUOBUS_PERMISSION', false, 'rejected'],
  [{ name: 'Whatever', status: 401 }, 'DUOBUS_PERMISSION', false, 'rejected'],
  [{ name: '403', status: 403 }, 'DUOBUS_PERMISSION', false, 'rejected'],
  [{ name: 'QueueDoesNotExist', status: 400 }, 'DUOBUS_NOT_FOUND', false, 'rejected'],
  [
    { name: 'AWS.SimpleQueueService.NonExistentQueue', status: 400 },
    'DUOBUS_NOT_FOUND',
    false,
    'rejected',
  ],
  [{ name: 'NotFoundException', status: 404 }, 'DUOBUS_NOT_FOUND', false, 'rejected'],
  [{ name: '301', status: 301 }, 'DUOBUS_NOT_FOUND', false, 'rejected'],
  [{ name: 'AuthorizationHeaderMalformed', status: 400 }, 'DUOBUS_NOT_FOUND', false, 'rejected'],
  [{ name: 'NoSuchBucket', status: 404 }, 'DUOBUS_NOT_FOUND', false, 'rejected'],
  [{ name: 'QueueDeletedRecently', status: 400 }, 'DUOBUS_UNAVAILABLE', true, 'rejected'],
  [{ name: 'QueueNameExists', status: 400 }, 'DUOBUS_CONFLICT', false, 'rejected'],
  [{ name: 'BatchRequestTooLong', status: 400 }, 'DUOBUS_TOO_LARGE', false, 'rejected'],
  [{ name: 'EntityTooLarge', status: 400 }, 'DUOBUS_TOO_LARGE', false, 'rejected'],
  [
    { name: 'InvalidParameterException', message: 'Message too long', status: 400 },
    'DUOBUS_TOO_LARGE',
    false,
    'rejected',
  ],
  [{ name: 'Whatever', status: 413 }, 'DUOBUS_TOO_LARGE', false, 'rejected'],
  [{ name: 'InvalidParameterException', status: 400 }, 'DUOBUS_BUG', false, 'rejected'],
  [{ name: 'ConditionalRequestConflict', status: 409 }, 'DUOBUS_UNAVAILABLE', true, 'rejected'],
  [{ name: 'InternalFailure', status: 500 }, 'DUOBUS_UNAVAILABLE', true, 'unknown'],
  [{ name: 'ServiceUnavailable', status: 503 }, 'DUOBUS_UNAVAILABLE', true, 'unknown'],
  [{ name: 'RequestTimeout', status: 408 }, 'DUOBUS_UNAVAILABLE', true, 'unknown'],
  [{ name: 'TimeoutError' }, 'DUOBUS_UNAVAILABLE', true, 'unknown'],
  [{ name: 'Error', code: 'ECONNRESET' }, 'DUOBUS_UNAVAILABLE', true, 'unknown'],
  [{ name: 'Error', code: 'EPIPE' }, 'DUOBUS_UNAVAILABLE', true, 'unknown'],
  [{ name: 'Error', code: 'ECONNREFUSED' }, 'DUOBUS_UNAVAILABLE', true, 'rejected'],
  [{ name: 'Error', code: 'ENOTFOUND' }, 'DUOBUS_UNAVAILABLE', true, 'rejected'],
  [{ name: 'Error', code: 'EAI_AGAIN' }, 'DUOBUS_UNAVAILABLE', true, 'rejected'],
  [{ name: 'Error', code: 'CERT_HAS_EXPIRED' }, 'DUOBUS_PERMISSION', false, 'unknown'],
  [{ name: 'Error', code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }, 'DUOBUS_PERMISSION', false, 'unknown'],
];

describe('errors of AWS', () => {
  for (const [given, code, retryable, outcome] of cases)
    it(`${JSON.stringify(given)} is ${code}, ${outcome}`, () => {
      const native = sdkError(given);
      const error = classify(native, 'do it');
      assert.deepEqual([error.code, error.retryable, error.outcome], [code, retryable, outcome]);
      assert.equal(error.cause, native);
      assert.match(error.message, /^AWS: cannot do it: /);
      assert.ok(error.message.includes(given.message ?? 'said'));
    });

  for (const [status, body] of [
    [503, '<html><body>busy</body></html>'],
    [502, '{"__type": "Inter'],
    [500, ''],
    [200, '<html>not what was asked for</html>'],
  ] as const)
    it(`are unavailability where an answer with status ${status} cannot be read: ${body}`, async () => {
      const server = createServer((_, response) => {
        response.statusCode = status;
        response.end(body);
      }).listen(0, '127.0.0.1');
      await once(server, 'listening');
      const connection = new Connection(
        settingsOf({
          endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
          credentials: { accessKeyId: 'a', secretAccessKey: 's' },
        }),
      );
      const signal = AbortSignal.timeout(5_000);
      const calls: (() => Promise<unknown>)[] = [
        () => connection.sqs(new ListQueuesCommand({}), signal, 'do it'),
        () => connection.store.get('key', signal),
        () => connection.store.put('key', Buffer.from('x'), { absent: true }, signal),
      ];
      if (status !== 200)
        calls.push(
          () => connection.sns(new ListTopicsCommand({}), signal, 'do it'),
          () => connection.store.list('', {}, signal),
          () => connection.store.remove('key', undefined, signal),
        );
      for (const call of calls) {
        const error = await call().then(
          (answer) => assert.fail(inspect(answer)),
          (reason: unknown) => reason,
        );
        assert.ok(BusError.is(error));
        assert.deepEqual(
          [error.code, error.retryable, error.outcome],
          ['DUOBUS_UNAVAILABLE', true, 'unknown'],
        );
      }
      await connection.close();
      server.closeAllConnections();
      server.close();
    });

  it('are bugs where nothing was sent because the code is wrong', () => {
    assert.equal(classify(new TypeError('x is not a function'), 'do it').code, 'DUOBUS_BUG');
  });

  it('are left as they are where they are told already, and never undefined', () => {
    const known = new BusError('DUOBUS_CLOSED', 'closed');
    assert.equal(classify(known, 'do it'), known);
    for (const nothing of [undefined, null, 'text']) {
      const { code, cause, outcome } = classify(nothing, 'do it');
      assert.deepEqual([code, outcome], ['DUOBUS_UNAVAILABLE', 'unknown']);
      assert.ok(cause !== undefined && cause !== null);
    }
    assert.equal(statusOf(undefined), undefined);
    assert.equal(statusOf('text'), undefined);
  });

  it('say nothing of the request, and of its signature', () => {
    const response = { request: { headers: { authorization: 'Credential=AKIA, Signature=abc' } } };
    const usual = sdkError({ status: 500 });
    Object.defineProperty(usual, '$response', {
      value: response,
      enumerable: false,
      configurable: true,
      writable: true,
    });
    const shown = sdkError({ status: 500 });
    Object.assign(shown, { $response: response });
    const fixed = sdkError({ status: 500 });
    Object.defineProperty(fixed, '$response', { value: response, enumerable: false });
    for (const native of [usual, shown, fixed]) {
      const error = classify(native, 'do it');
      assert.equal(error.code, 'DUOBUS_UNAVAILABLE');
      assert.equal(error.cause, native);
      assert.doesNotMatch(inspect(error, { depth: 9 }), /AKIA|Signature/);
      assert.doesNotMatch(JSON.stringify(error.cause), /AKIA|Signature/);
    }
  });
});
