import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Deque } from '../src/internal/deque.ts';

const operations = fc.array(
  fc.oneof(
    fc.record({ op: fc.constant('push' as const), times: fc.integer({ min: 1, max: 900 }) }),
    fc.record({ op: fc.constant('shift' as const), times: fc.integer({ min: 1, max: 900 }) }),
    fc.record({ op: fc.constant('unshift' as const), times: fc.integer({ min: 1, max: 5 }) }),
    fc.record({ op: fc.constant('take' as const), times: fc.integer({ min: 2, max: 7 }) }),
  ),
  { maxLength: 40 },
);

describe('Deque', () => {
  it('does what an array does', () => {
    fc.assert(
      fc.property(operations, (all) => {
        const deque = new Deque<number>();
        let model: number[] = [];
        let next = 0;
        for (const { op, times } of all) {
          const matches = (n: number): boolean => n % times === 0;
          if (op === 'take') {
            assert.deepEqual(deque.take(matches), model.filter(matches));
            model = model.filter((n) => !matches(n));
          }
          for (let n = op === 'take' ? times : 0; n < times; n += 1) {
            next += 1;
            if (op === 'push') {
              deque.push(next);
              model.push(next);
            } else if (op === 'unshift') {
              deque.unshift(next);
              model.unshift(next);
            } else assert.equal(deque.shift(), model.shift());
          }
          assert.equal(deque.size, model.length);
          assert.equal(deque.peek(), model[0]);
          assert.deepEqual([...deque], model);
        }
      }),
    );
  });
});
