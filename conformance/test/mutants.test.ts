import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { mutants } from '../src/mutants/index.ts';
import { cases, run } from '../src/index.ts';
import { memoryHarness } from './support/memory.ts';

// What a mutant keeps from happening is waited for: a tenth of the usual time is enough in one process.
const slow = 0.1;

describe('mutants', { concurrency: 4 }, () => {
  it('are at least thirty, each with a name of its own and a case that exists', () => {
    assert.ok(mutants.length >= 30);
    assert.equal(new Set(mutants.map(({ name }) => name)).size, mutants.length);
    for (const { name, killedBy } of mutants)
      assert.ok(
        cases.some((known) => known.name === killedBy),
        `${name} names ${killedBy}`,
      );
  });

  for (const { name, killedBy, begin } of mutants) {
    it(`${name} is killed by ${killedBy}`, async () => {
      const report = await run({ ...memoryHarness(begin()), slow }, { only: [killedBy], seed: 1 });
      assert.equal(report.cases[0]?.verdict, 'fail');
    });
  }

  it('leave an adapter without a fault alone: the same cases pass', async () => {
    const only = [...new Set(mutants.map(({ killedBy }) => killedBy))];
    const report = await run(memoryHarness(), { only });
    assert.deepEqual(
      report.cases
        .filter(({ verdict }) => verdict !== 'pass')
        .map(({ name, error }) => `${name}: ${error}`),
      [],
    );
  });
});
