import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { makeDocument } from '../document.ts';

describe('makeDocument', () => {
  it('makes 1 KiB of JSON whatever the number', () => {
    for (const n of [-1, 0, 7, 999_999])
      assert.equal(JSON.stringify(makeDocument(n)).length, 1_024);
  });
  it('spreads documents over a thousand customers', () => {
    assert.equal(
      new Set(Array.from({ length: 1_000 }, (_, n) => makeDocument(n).customer)).size,
      1_000,
    );
  });
});
