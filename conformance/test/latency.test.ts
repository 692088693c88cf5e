import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { latencyOf } from '../src/latency.ts';

describe('latencyOf', () => {
  it('is what that part of the documents did not exceed, whatever their order', () => {
    const times = Array.from({ length: 200 }, (_, index) => 200 - index);
    assert.deepEqual(latencyOf(times), { count: 200, p50: 100, p99: 198, max: 200 });
    assert.deepEqual(latencyOf([3.14159]), { count: 1, p50: 3.14, p99: 3.14, max: 3.14 });
  });

  it('refuses to say anything of nothing', () => {
    assert.throws(() => latencyOf([]), TypeError);
  });
});
