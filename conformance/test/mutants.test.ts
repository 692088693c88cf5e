import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { mutants } from '../src/mutants/index.ts';
import { kindsOf, survivingKinds } from '../src/mutants/kill.ts';
import { cases, run } from '../src/index.ts';
import { memoryHarness } from './support/memory.ts';

// What a mutant keeps from happening is waited for: a fifth of the usual time is enough in one process. Waiting costs
// nothing, so that many can wait together.
const slow = 0.2;
const together = 24;

describe('mutants', { concurrency: together }, () => {
  it('are some hundreds, each with a name of its own and a case that exists', () => {
    assert.ok(mutants.length >= 300, `there are ${mutants.length}`);
    assert.ok(new Set(mutants.map(({ operator }) => operator)).size >= 70);
    assert.equal(new Set(mutants.map(({ name }) => name)).size, mutants.length);
    for (const { name, killedBy } of mutants)
      assert.ok(
        cases.some((known) => known.name === killedBy),
        `${name} names ${killedBy}`,
      );
  });

  it('have one of nearly every operator in the sample for live brokers, which hurts none', () => {
    const kinds = kindsOf(mutants);
    const operators = kinds.map(([first]) => first?.operator);
    assert.equal(new Set(operators).size, kinds.length);
    for (const { killedBy } of kinds.flat()) {
      const found = cases.find(({ name }) => name === killedBy);
      assert.equal(found?.alone, undefined);
      assert.notEqual(found?.dies, true);
    }
    // What only a death shows needs a broker in this process.
    const all = new Set(mutants.map(({ operator }) => operator));
    assert.deepEqual([...all].filter((operator) => !operators.includes(operator)).toSorted(), [
      'call-a-crash-clean',
      'commit-before-the-handler',
      'settle-all-before',
      'settle-before-the-handler',
    ]);
  });

  it('of a kind count as found when one of them is', () => {
    const shown = (operator: string, fate: 'killed' | 'survived') => ({
      name: `${operator}@${fate}`,
      operator,
      point: fate,
      killedBy: 'fan-out',
      fate,
      cases: {},
    });
    const matrix = [shown('a', 'survived'), shown('a', 'killed'), shown('b', 'survived')];
    assert.deepEqual(survivingKinds({ mutants: matrix }), ['b']);
  });

  it('leave an adapter without a fault alone: the same cases pass, beside the mutants and in the same time', async () => {
    const only = [...new Set(mutants.map(({ killedBy }) => killedBy))];
    const report = await run({ ...memoryHarness(), slow }, { only });
    assert.deepEqual(
      report.cases
        .filter(({ verdict }) => verdict !== 'pass')
        .map(({ name, error }) => `${name}: ${error}`),
      [],
    );
  });

  for (const { name, killedBy, begin } of mutants) {
    it(`${name} is killed by ${killedBy}`, async () => {
      const report = await run({ ...memoryHarness(begin()), slow }, { only: [killedBy], seed: 1 });
      assert.equal(report.cases[0]?.verdict, 'fail', `${name} survives ${killedBy}`);
    });
  }
});
