import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkHistories } from '../histories/check.ts';
import { memoryStage } from '../histories/memory-stage.ts';
import { mutants } from '../src/mutants/index.ts';

/** What random histories have to find, and what of it they have to tell. */
const found: readonly (readonly [mutant: string, says: RegExp])[] = [
  ['settle-before-the-handler@event', /(reachesAll|failuresAreKept): /],
  ['commit-before-the-handler@data', /(reachesAll|failuresAreKept|pointerTellsTheTruth): /],
  ['settle-as-done@event.again', /failuresAreKept: .* is not tried again and is no dead letter/],
  [
    'show-history@event.new-subscription',
    /noHistory: .* published before the subscription was created/,
  ],
  ['seek-one-after@data.reset', /resetExact: |waited .* until the last documents/],
  ['replay-differs@data', /replaysAlike: /],
  ['lose-the-last-of-several@data.read', /readingKeepsAll: /],
];

describe('random histories', () => {
  it('are all allowed in memory, and every kind of step happens', async () => {
    await using stage = await memoryStage();
    const { failure, runs, done } = await checkHistories(stage, { runs: 200 });
    assert.equal(failure, undefined);
    assert.equal(runs, 200);
    const seldom = ['publish', 'subscribe', 'leave', 'crash', 'reset', 'refused-reset', 'wait'];
    for (const step of [...seldom, 'look', 'read', 'restart'])
      assert.ok((done.get(step) ?? 0) >= 10, step);
  });

  for (const [name, says] of found) {
    it(`find ${name}, in a few steps, and repeat it by the seed they print`, async () => {
      const mutant = mutants.find((one) => one.name === name);
      assert.ok(mutant);
      await using stage = await memoryStage(mutant.begin);
      const { failure = '', steps } = await checkHistories(stage, { runs: 300, seed: '1' });
      assert.match(failure, says);
      assert.ok(steps <= 6, `${steps} steps are left:\n${failure}`);
      const seed = /--adapter memory --seed (\S+)$/.exec(failure)?.[1];
      assert.ok(seed, failure);
      const again = await checkHistories(stage, { runs: 1, seed });
      assert.match(again.failure ?? '', says);
      assert.equal(again.steps, steps);
    });
  }

  it('say what a seed has to be', async () => {
    await using stage = await memoryStage();
    await assert.rejects(checkHistories(stage, { runs: 1, seed: 'x' }), /--seed must be a number/);
  });
});
