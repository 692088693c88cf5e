import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { surplus } from '../src/fair-share.ts';

describe('surplus', () => {
  it('leads to an even share, whatever came first', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 12 }),
        fc.infiniteStream(fc.nat()),
        (partitions, members, choices) => {
          const owned = Array.from({ length: members }, () => [] as number[]);
          let waiting = Array.from({ length: partitions }, (_, index) => index);
          for (let round = 0; waiting.length > 0; round += 1) {
            assert.ok(round < 2000, 'it settles');
            const given: number[] = [];
            for (const partition of waiting) {
              const index = (choices.next().value ?? 0) % members;
              const mine = [...(owned[index] ?? []), partition];
              const tooMany = surplus(mine, partitions, members);
              owned[index] = mine.filter((each) => !tooMany.includes(each));
              given.push(...tooMany);
            }
            waiting = given;
          }
          const sizes = owned.map(({ length }) => length);
          assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1);
          assert.equal(
            sizes.reduce((sum, size) => sum + size),
            partitions,
          );
        },
      ),
    );
  });

  it('asks for nothing from whom has no more than its share', () => {
    assert.deepEqual(surplus([0, 1, 6], 7, 3), []);
    assert.deepEqual(surplus([0, 1, 2, 6], 7, 3), [2]);
    assert.deepEqual(surplus([0, 1, 2], 3, 1), []);
    assert.deepEqual(surplus([0, 1], 2, 5), [1]);
  });
});
