import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { windowed } from '../windowed.ts';

describe('windowed', () => {
  it('runs every number once and never more than the window at a time', async () => {
    const seen: number[] = [];
    let running = 0;
    let most = 0;
    await windowed(100, 7, async (n) => {
      most = Math.max(most, (running += 1));
      await turn();
      seen.push(n);
      running -= 1;
    });
    assert.deepEqual(
      seen.toSorted((a, b) => a - b),
      Array.from({ length: 100 }, (_, n) => n),
    );
    assert.equal(most, 7);
  });

  it('rejects with what the first action rejects with', async () => {
    await assert.rejects(
      windowed(3, 2, () => Promise.reject(new Error('no'))),
      /no/,
    );
  });
});
