import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inParallel } from '../src/internal/in-parallel.ts';

describe('work in parallel', () => {
  it('is done so much at a time, and its results are in order', async () => {
    let [running, most] = [0, 0];
    const results = await inParallel([3, 1, 2, 0], 2, async (item, at) => {
      running += 1;
      most = Math.max(most, running);
      for (let turn = 0; turn < item; turn += 1) await Promise.resolve();
      running -= 1;
      return `${at}:${item}`;
    });
    assert.deepEqual(results, ['0:3', '1:1', '2:2', '3:0']);
    assert.equal(most, 2);
  });

  it('begins nothing more after an error, and rejects when what runs has ended', async () => {
    const ended: number[] = [];
    const work = inParallel([0, 1, 2, 3], 2, async (item) => {
      if (item === 0) throw new Error('no');
      for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
      ended.push(item);
    });
    await assert.rejects(work, /no/);
    assert.deepEqual(ended, [1]);
  });
});
