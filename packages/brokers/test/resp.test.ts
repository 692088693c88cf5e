import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { field, readReply, RespError } from '../src/resp.ts';

const read = (text: string): ReturnType<typeof readReply> => readReply(Buffer.from(text), 0);

describe('readReply', () => {
  it('reads every kind of reply', () => {
    assert.deepEqual(read('+PONG\r\n')?.reply, 'PONG');
    assert.deepEqual(read(':-3\r\n')?.reply, -3);
    assert.deepEqual(read('$-1\r\n')?.reply, null);
    assert.deepEqual(read('*-1\r\n')?.reply, null);
    assert.deepEqual(read('*3\r\n$1\r\na\r\n*1\r\n:1\r\n+b\r\n')?.reply, ['a', [1], 'b']);
    const error = read('-LOADING it reads its data\r\n')?.reply;
    assert.ok(error instanceof RespError && error.message === 'LOADING it reads its data');
  });

  it('counts bytes, not characters', () => {
    assert.deepEqual(read('$4\r\n\u00e4\u00e4\r\n'), { reply: '\u00e4\u00e4', end: 10 });
  });

  it('waits for the rest, wherever a reply is cut', () => {
    const whole = '*2\r\n$3\r\nabc\r\n:12\r\n';
    for (let length = 0; length < whole.length; length += 1) {
      assert.equal(read(whole.slice(0, length)), undefined, whole.slice(0, length));
    }
    assert.equal(read(whole)?.end, whole.length);
  });
});

describe('field', () => {
  it('finds a line of INFO by its whole name', () => {
    const info = '# Server\r\nredis_version:8.0.2\r\nvalkey_version:9.1.2\r\n';
    assert.equal(field(info, 'redis_version'), '8.0.2');
    assert.equal(field(info, 'version'), undefined);
  });
});
