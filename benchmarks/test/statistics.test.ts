import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { median, pairedRatio, quantile } from '../statistics.ts';

describe('median', () => {
  it('is the middle value whatever the order', () => assert.equal(median([9, 1, 5]), 5));
  it('is the mean of the middle two', () => assert.equal(median([4, 1, 3, 100]), 3.5));
  it('leaves its argument as it is', () => {
    const values = [3, 1, 2];
    median(values);
    assert.deepEqual(values, [3, 1, 2]);
  });
  it('refuses nothing at all', () => assert.throws(() => median([]), RangeError));
});

describe('quantile', () => {
  const hundred = Array.from({ length: 100 }, (_, i) => 100 - i);
  it('finds the value that a share does not exceed', () => {
    assert.equal(quantile(hundred, 0.5), 50);
    assert.equal(quantile(hundred, 0.99), 99);
    assert.equal(quantile(hundred, 1), 100);
    assert.equal(quantile([7], 0.01), 7);
  });
  it('refuses nothing at all', () => assert.throws(() => quantile([], 0.5), RangeError));
});

describe('pairedRatio', () => {
  it('compares within rounds, so that a slow machine in one round does not count', () => {
    assert.equal(pairedRatio([100, 10, 100], [200, 20, 200]), 0.5);
    assert.equal(pairedRatio([10, 20, 30], [10, 10, 10]), 2);
  });
  it('refuses an uneven number of rounds', () =>
    assert.throws(() => pairedRatio([1], [1, 2]), RangeError));
});
