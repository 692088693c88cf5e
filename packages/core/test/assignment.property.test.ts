import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { assign } from '../src/groups/assignment.ts';

const counts = (wanted: ReadonlyMap<number, string>, members: readonly string[]): number[] =>
  members.map((member) => [...wanted.values()].filter((owner) => owner === member).length);

describe('assign', () => {
  it('is complete, even, and moves as little as possible, for all small numbers', () => {
    for (let partitions = 1; partitions <= 12; partitions += 1) {
      let current: ReadonlyMap<number, string> = new Map();
      for (let size = 1; size <= 14; size += 1) {
        const members = Array.from({ length: size }, (_, index) => `m${index}`);
        const wanted = assign(members, partitions, current);
        assert.equal(wanted.size, partitions);
        const shares = counts(wanted, members);
        assert.ok(
          Math.max(...shares) - Math.min(...shares) <= 1,
          `${partitions} partitions, ${size} members`,
        );
        const moved = [...wanted].filter(
          ([partition, member]) => current.has(partition) && current.get(partition) !== member,
        ).length;
        assert.ok(size === 1 || moved <= Math.ceil(partitions / size), `${moved} moved`);
        assert.deepEqual(assign(members, partitions, wanted), wanted);
        current = wanted;
      }
    }
  });

  it('gives what a member leaves behind to the others', () => {
    const before = assign(['a', 'b', 'c'], 6, new Map());
    const after = assign(['a', 'c'], 6, before);
    for (const [partition, member] of before)
      if (member !== 'b') assert.equal(after.get(partition), member);
    assert.deepEqual(counts(after, ['a', 'c']), [3, 3]);
  });
});
