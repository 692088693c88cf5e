import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { postgresInbox } from '../src/index.ts';

const pool = { connect: () => Promise.reject(new Error('not here')) };

describe('the options of postgresInbox', () => {
  it('have defaults', () => {
    assert.equal(postgresInbox(pool).keepsForMs, 7 * 24 * 60 * 60 * 1000);
    assert.equal(postgresInbox(pool, { keepsForMs: null }).keepsForMs, null);
    assert.equal(postgresInbox(pool).marks.keepsForMs, 7 * 24 * 60 * 60 * 1000);
  });

  it('are refused when they are wrong', () => {
    const wrong: readonly (readonly [object, RegExp])[] = [
      [{ tabel: 'x' }, /unknown option 'tabel'. Did you mean 'table'/],
      [{ table: 'x"y' }, /table must be/],
      [{ table: '1x' }, /table must be/],
      [{ table: 'x'.repeat(41) }, /table must be/],
      [{ table: 'X' }, /table must be/],
      [{ schema: 'a.b' }, /schema must be/],
      [{ schema: '' }, /schema must be/],
      [{ keepsForMs: 0 }, /keepsForMs must be/],
      [{ keepsForMs: Number.NaN }, /keepsForMs must be/],
      [{ keepsForMs: '7 days' }, /keepsForMs must be/],
      [{ connectTimeoutMs: 0 }, /connectTimeoutMs must be/],
    ];
    for (const [options, message] of wrong)
      assert.throws(() => postgresInbox(pool, options), { name: 'TypeError', message });
  });

  it('ask for a pool', () => {
    for (const none of [undefined, null, {}, 'postgres://127.0.0.1'])
      assert.throws(() => postgresInbox(none as never), /pass a Pool of pg/);
  });

  it('of expire is a number of rows', async () => {
    for (const limit of [0, 1.5, Number.NaN])
      await assert.rejects(postgresInbox(pool).expire(limit), TypeError);
  });
});
