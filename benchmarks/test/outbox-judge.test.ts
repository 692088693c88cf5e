import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Appearance, judge } from '../outbox/judge.ts';

const truth = [1, 2, 3].map((n) => ({ key: 'a', n, token: `t${n}` }));
const seen = (...numbers: readonly number[]): Appearance[] =>
  numbers.map((n) => ({
    partition: 0,
    id: `i${n}`,
    document: { key: 'a', n, token: `t${n}` },
  }));

describe('judge of an outbox', () => {
  const sound = {
    committed: 3,
    published: 3,
    repeated: 0,
    lost: 0,
    invented: 0,
    overtaken: 0,
    renamed: 0,
  };

  it('finds nothing where all came in order, also with repetitions', () => {
    assert.deepEqual(judge(truth, seen(1, 2, 3)), sound);
    assert.deepEqual(judge(truth, seen(1, 2, 1, 2, 3, 1)), { ...sound, repeated: 3 });
  });

  it('finds what is lost, invented, overtaken or renamed', () => {
    assert.equal(judge(truth, seen(1, 2)).lost, 1);
    assert.equal(judge(truth, seen(1, 2, 3, 4)).invented, 1);
    assert.ok(judge(truth, seen(1, 3, 2)).overtaken > 0);
    const [first] = seen(1);
    assert.ok(first);
    assert.equal(judge(truth, [first, { ...first, id: 'other' }]).renamed, 1);
    assert.ok(judge(truth, [first, ...seen(2).map((one) => ({ ...one, id: 'i1' }))]).renamed > 0);
  });
});
