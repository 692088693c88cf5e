import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { assignPartitions, type Candidate } from '../src/group-assignment.ts';

const candidates: fc.Arbitrary<Candidate[]> = fc.uniqueArray(
  fc.record({
    id: fc.string({ minLength: 1 }),
    owned: fc.array(fc.integer({ min: -2, max: 60 }), { maxLength: 30 }),
  }),
  { selector: ({ id }) => id, minLength: 1, maxLength: 12 },
);
const counts = fc.integer({ min: 0, max: 50 });
const asCandidates = (shares: ReadonlyMap<string, readonly number[]>): Candidate[] =>
  [...shares].map(([id, owned]) => ({ id, owned }));

/** Partitions that have changed hands. */
function moved(
  before: ReadonlyMap<string, readonly number[]>,
  after: ReadonlyMap<string, readonly number[]>,
): number {
  const ownerOf = new Map(
    [...before].flatMap(([id, owned]) => owned.map((partition) => [partition, id] as const)),
  );
  return [...after].flatMap(([id, owned]) =>
    owned.filter((partition) => ownerOf.get(partition) !== id),
  ).length;
}

describe('the assignment of partitions', () => {
  it('gives every partition to exactly one member', () => {
    fc.assert(
      fc.property(counts, candidates, (count, members) => {
        const all = [...assignPartitions(count, members).values()].flat().toSorted((a, b) => a - b);
        assert.deepEqual(
          all,
          Array.from({ length: count }, (_, partition) => partition),
        );
      }),
    );
  });

  it('is as even as can be', () => {
    fc.assert(
      fc.property(counts, candidates, (count, members) => {
        const sizes = [...assignPartitions(count, members).values()].map(({ length }) => length);
        assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1);
      }),
    );
  });

  it('does not depend on the order of the members', () => {
    fc.assert(
      fc.property(counts, candidates, (count, members) => {
        assert.deepEqual(
          assignPartitions(count, members),
          assignPartitions(count, members.toReversed()),
        );
      }),
    );
  });

  it('moves nothing when nothing has changed', () => {
    fc.assert(
      fc.property(counts, candidates, (count, members) => {
        const shares = assignPartitions(count, members);
        assert.equal(moved(shares, assignPartitions(count, asCandidates(shares))), 0);
      }),
    );
  });

  it('moves no more than the new share at a join, and what was left at a leave', () => {
    fc.assert(
      fc.property(counts, candidates, (count, members) => {
        const before = assignPartitions(count, members);
        const joined = assignPartitions(count, [
          ...asCandidates(before),
          { id: '\uffff new', owned: [] },
        ]);
        assert.equal(moved(before, joined), joined.get('\uffff new')?.length);
        const [[gone, left] = ['', []], ...rest] = [...before];
        if (rest.length === 0) return;
        const after = assignPartitions(count, asCandidates(new Map(rest)));
        assert.ok(!after.has(gone));
        assert.equal(moved(before, after), left.length);
      }),
    );
  });
});
