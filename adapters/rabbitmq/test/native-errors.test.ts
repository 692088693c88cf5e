import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ErrorCode } from '@duobus/core';
import { BusError } from '@duobus/core/driver';
import { classify, isMissing } from '../src/native-errors.ts';

const reply = (code: number, text: string): Error =>
  Object.assign(new Error(`Channel closed by server: ${code} (X) with message "${text}"`), {
    code,
  });
const socket = (code: string): Error => Object.assign(new Error(`connect ${code}`), { code });

const table: readonly (readonly [
  what: string,
  error: unknown,
  code: ErrorCode,
  retryable: boolean,
])[] = [
  [
    'a missing queue',
    reply(404, "NOT_FOUND - no queue 'q' in vhost '/'"),
    'DUOBUS_NOT_FOUND',
    false,
  ],
  [
    'a queue whose node is down',
    reply(
      404,
      "NOT_FOUND - home node 'a@b' of durable queue 'q' in vhost '/' is down or inaccessible",
    ),
    'DUOBUS_UNAVAILABLE',
    true,
  ],
  [
    'a stream that is starting',
    reply(
      406,
      "PRECONDITION_FAILED - stream queue 'q' in vhost '/' does not have a running replica on the local node",
    ),
    'DUOBUS_UNAVAILABLE',
    true,
  ],
  [
    'a stream that is starting, as 3.10 says it',
    reply(
      406,
      "PRECONDITION_FAILED - queue 'queue 'q' in vhost '/'' does not have a replica on the local node",
    ),
    'DUOBUS_UNAVAILABLE',
    true,
  ],
  [
    'another declaration',
    reply(406, "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'e' in vhost '/'"),
    'DUOBUS_TOPIC_MISMATCH',
    false,
  ],
  [
    'a message beyond the limit',
    reply(
      406,
      'PRECONDITION_FAILED - message size 20000000 is larger than configured max size 16777216',
    ),
    'DUOBUS_TOO_LARGE',
    false,
  ],
  [
    'the consumer timeout',
    reply(
      406,
      'PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value used: 6000 ms',
    ),
    'DUOBUS_UNAVAILABLE',
    true,
  ],
  [
    'a late acknowledgement',
    reply(406, 'PRECONDITION_FAILED - unknown delivery tag 3'),
    'DUOBUS_BUG',
    true,
  ],
  [
    'no permission',
    reply(403, "ACCESS_REFUSED - write access to exchange 'e' in vhost '/' refused for user 'u'"),
    'DUOBUS_PERMISSION',
    false,
  ],
  [
    'a wrong password',
    new Error(
      'Handshake terminated by server: 403 (ACCESS-REFUSED) with message "ACCESS_REFUSED - Login was refused"',
    ),
    'DUOBUS_PERMISSION',
    false,
  ],
  [
    'a vhost that is refused',
    new Error('Expected ConnectionOpenOk; got <ConnectionClose channel:0>'),
    'DUOBUS_PERMISSION',
    false,
  ],
  ['a missing vhost', reply(530, 'NOT_ALLOWED - vhost v not found'), 'DUOBUS_NOT_FOUND', false],
  [
    'a vhost without access',
    reply(530, "NOT_ALLOWED - access to vhost 'v' refused for user 'u'"),
    'DUOBUS_PERMISSION',
    false,
  ],
  [
    'too many connections',
    reply(530, 'NOT_ALLOWED - connection refused: user connection limit (1) is reached'),
    'DUOBUS_UNAVAILABLE',
    true,
  ],
  [
    'a locked queue',
    reply(405, "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'q'"),
    'DUOBUS_CONFLICT',
    true,
  ],
  ['what an old broker lacks', reply(540, 'NOT_IMPLEMENTED'), 'DUOBUS_NOT_SUPPORTED', false],
  [
    'a broker that shuts down',
    reply(320, "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'"),
    'DUOBUS_UNAVAILABLE',
    true,
  ],
  ['an internal error', reply(541, 'INTERNAL_ERROR'), 'DUOBUS_UNAVAILABLE', true],
  ['nobody listening', socket('ECONNREFUSED'), 'DUOBUS_UNAVAILABLE', true],
  ['an unknown host', socket('ENOTFOUND'), 'DUOBUS_UNAVAILABLE', true],
  ['an unknown authority', socket('SELF_SIGNED_CERT_IN_CHAIN'), 'DUOBUS_PERMISSION', false],
  [
    'a certificate of another host',
    socket('ERR_TLS_CERT_ALTNAME_INVALID'),
    'DUOBUS_PERMISSION',
    false,
  ],
  ['TLS to a plain port', socket('ERR_SSL_WRONG_VERSION_NUMBER'), 'DUOBUS_PERMISSION', false],
  ['a silent peer', new Error('Heartbeat timeout'), 'DUOBUS_UNAVAILABLE', true],
  ['a closed channel', new Error('Channel closed'), 'DUOBUS_UNAVAILABLE', true],
  [
    'headers beyond 64 KiB',
    new RangeError(
      'Encoded field table (headers or arguments) exceeds the 65536 byte encoding buffer',
    ),
    'DUOBUS_TOO_LARGE',
    false,
  ],
  ['a mistake of ours', new TypeError('x is not a function'), 'DUOBUS_BUG', false],
  ['no reason at all', undefined, 'DUOBUS_UNAVAILABLE', true],
];

describe('classify', () => {
  for (const [what, error, code, retryable] of table) {
    it(`maps ${what} to ${code}`, () => {
      const mapped = classify(error, 'do this');
      assert.deepEqual([mapped.code, mapped.retryable], [code, retryable]);
      assert.match(mapped.message, /^RabbitMQ: cannot do this: .+; .+/);
      assert.equal(mapped.cause, error);
    });
  }

  it('leaves a BusError as it is', () => {
    const error = new BusError('DUOBUS_CLOSED', 'closed');
    assert.equal(classify(error), error);
  });

  it('tells missing from unreachable', () => {
    assert.equal(isMissing(table[0]?.[1]), true);
    assert.equal(isMissing(table[1]?.[1]), false);
  });
});
