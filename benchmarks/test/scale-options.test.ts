import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseScaleOptions } from '../scale/scale-options.ts';

describe('what npm run scale is told', () => {
  it('has defaults that fit what is measured', () => {
    const of = (...args: readonly string[]) => parseScaleOptions([...args, '--adapter', 'kafka']);
    assert.deepEqual(of('topics').counts, [100, 1_000]);
    const { counts, processes } = of('group');
    assert.deepEqual([counts, processes], [[16], 8]);
    assert.deepEqual(of('topics', '--counts', '3,5').counts, [3, 5]);
  });

  for (const [args, says] of [
    [[], /what to measure/],
    [['all', '--adapter', 'kafka'], /what to measure cannot be 'all'/],
    [['topics'], /--adapter must be one of/],
    [['topics', '--adapter', 'kafka', '--counts', '3,x'], /--counts takes whole numbers/],
    [['topics', '--adapter', 'kafka', '--idle', '0'], /--idle takes whole numbers/],
    [['topics', '--adapter', 'kafka', '--faster'], /--faster/],
  ] as const)
    it(`refuses '${args.join(' ')}'`, () => {
      assert.throws(() => parseScaleOptions(args), says);
      assert.throws(() => parseScaleOptions(args), /npm run scale -- subscriptions\|topics\|group/);
    });
});
