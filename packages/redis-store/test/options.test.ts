import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { redisStore } from '../src/index.ts';

const answer = (): Promise<never> => Promise.reject(new Error('not here'));
const client = { evalsha: answer, eval: answer, info: answer };

describe('the options of redisStore', () => {
  it('have defaults', () => {
    assert.equal(redisStore(client).keepsForMs, 7 * 24 * 60 * 60 * 1000);
    assert.equal(redisStore(client, { keepsForMs: null }).keepsForMs, null);
  });

  it('are refused when they are wrong', () => {
    const wrong: readonly (readonly [object, RegExp])[] = [
      [{ prefixx: 'a' }, /Did you mean 'prefix'/],
      [{ prefix: '' }, /prefix must be/],
      [{ prefix: 'a b' }, /prefix must be/],
      [{ prefix: 'x'.repeat(101) }, /prefix must be/],
      [{ keepsForMs: 0 }, /keepsForMs must be/],
      [{ timeoutMs: 0 }, /timeoutMs must be/],
    ];
    for (const [options, message] of wrong)
      assert.throws(() => redisStore(client, options), { name: 'TypeError', message });
  });

  it('ask for a client', () => {
    for (const none of [undefined, null, {}, 'redis://127.0.0.1'])
      assert.throws(() => redisStore(none as never), /pass an instance of ioredis/);
  });

  it('lead to errors of the store alone', async () => {
    await assert.rejects(redisStore(client).begin('k', 1000), {
      code: 'DUOBUS_UNAVAILABLE',
      retryable: true,
      message: /not here/,
    });
  });
});
