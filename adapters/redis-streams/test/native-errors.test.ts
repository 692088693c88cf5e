import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { BusError } from '@duobus/core/driver';
import { classify, isCertain, isMisled } from '../src/native-errors.ts';

const reply = (message: string): Error => Object.assign(new Error(message), { name: 'ReplyError' });
const coded = (code: string, message = code): Error => Object.assign(new Error(message), { code });

const table: readonly [error: unknown, code: string, retryable: boolean][] = [
  [reply('MOVED 3999 127.0.0.1:6381'), 'DUOBUS_UNAVAILABLE', true],
  [reply('ASK 3999 127.0.0.1:6381'), 'DUOBUS_UNAVAILABLE', true],
  [reply('CLUSTERDOWN Hash slot not served'), 'DUOBUS_UNAVAILABLE', true],
  [reply('TRYAGAIN Multiple keys request during rehashing of slot'), 'DUOBUS_UNAVAILABLE', true],
  [reply('LOADING Redis is loading the dataset in memory'), 'DUOBUS_UNAVAILABLE', true],
  [reply('MASTERDOWN Link with MASTER is down'), 'DUOBUS_UNAVAILABLE', true],
  [reply("READONLY You can't write against a read only replica."), 'DUOBUS_UNAVAILABLE', true],
  [reply('OOM command not allowed when used memory'), 'DUOBUS_REJECTED', true],
  [
    reply('ERR OOM command not allowed when used memory, script: x, on @user_script:1.'),
    'DUOBUS_REJECTED',
    true,
  ],
  [reply('NOAUTH Authentication required.'), 'DUOBUS_PERMISSION', false],
  [reply('WRONGPASS invalid username-password pair'), 'DUOBUS_PERMISSION', false],
  [reply("NOPERM User x has no permissions to run the 'xadd' command"), 'DUOBUS_PERMISSION', false],
  [reply('MISCONF Errors writing to the AOF file'), 'DUOBUS_UNAVAILABLE', true],
  [reply('BUSY Redis is busy running a script'), 'DUOBUS_UNAVAILABLE', true],
  [reply('NOSCRIPT No matching script'), 'DUOBUS_UNAVAILABLE', true],
  [reply('NOREPLICAS Not enough good replicas to write.'), 'DUOBUS_UNAVAILABLE', true],
  [reply('WRONGTYPE Operation against a key'), 'DUOBUS_CONFLICT', false],
  [reply('ERR DB index is out of range'), 'DUOBUS_NOT_FOUND', false],
  [reply("ERR unknown command 'XADD'"), 'DUOBUS_NOT_SUPPORTED', false],
  [reply('ERR max number of clients reached'), 'DUOBUS_UNAVAILABLE', true],
  [reply('ERR something new'), 'DUOBUS_BUG', false],
  [new Error('Connection is closed.'), 'DUOBUS_UNAVAILABLE', true],
  [coded('ECONNREFUSED'), 'DUOBUS_UNAVAILABLE', true],
  [coded('ENOTFOUND'), 'DUOBUS_UNAVAILABLE', true],
  [coded('SELF_SIGNED_CERT_IN_CHAIN'), 'DUOBUS_PERMISSION', false],
  [coded('ERR_TLS_CERT_ALTNAME_INVALID'), 'DUOBUS_PERMISSION', false],
  [new TypeError('x is not a function'), 'DUOBUS_BUG', false],
  [undefined, 'DUOBUS_UNAVAILABLE', true],
];

describe('classify', () => {
  for (const [error, code, retryable] of table)
    it(`makes ${code} of ${error instanceof Error ? error.message : String(error)}`, () => {
      const made = classify(error, 'do it');
      assert.deepEqual([made.code, made.retryable], [code, retryable]);
      assert.match(made.message, /^Redis: cannot do it: /);
      assert.equal(made.cause, error ?? made.cause);
    });

  it('leaves a BusError as it is', () => {
    const error = new BusError('DUOBUS_CLOSED', 'closed');
    assert.equal(classify(error), error);
  });

  it('drops the command that ioredis hangs on its errors: it may hold a password', () => {
    const error = Object.assign(reply('WRONGPASS invalid'), {
      command: { name: 'auth', args: ['user', 'secret'] },
    });
    assert.doesNotMatch(inspect(classify(error, 'connect'), { depth: 9 }), /secret/);
  });

  it('knows what was certainly not done', () => {
    assert.equal(isCertain(classify(reply('OOM no'))), true);
    assert.equal(isCertain(classify(new Error('Connection is closed.'))), false);
    assert.equal(isCertain(classify(undefined)), false);
    assert.equal(isCertain(new BusError('DUOBUS_UNAVAILABLE', 'not connected')), true);
  });

  it('knows when another server has to be found', () => {
    assert.equal(isMisled(reply('READONLY no')), true);
    assert.equal(isMisled(reply('OOM no')), false);
  });
});
