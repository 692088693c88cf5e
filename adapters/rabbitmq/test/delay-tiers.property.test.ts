import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { longestDelayMs, madeWith, tierFor } from '../src/delay-tiers.ts';

describe('tierFor', () => {
  it('is never too short and at most twice as long', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: longestDelayMs }), (ms) => {
        const tier = tierFor(ms) ?? 0;
        assert.ok(tier >= ms);
        assert.ok(tier <= Math.max(100, 2 * ms));
        assert.ok(madeWith(tier).includes(tier));
      }),
    );
  });

  it('needs no queue where there is no delay', () => {
    assert.equal(tierFor(0), undefined);
    assert.equal(tierFor(-5), undefined);
  });

  it('makes what the default backoff uses at once, and nothing else', () => {
    assert.equal(Math.max(...madeWith(100)), 102_400);
    assert.deepEqual(madeWith(204_800), [204_800]);
  });
});
