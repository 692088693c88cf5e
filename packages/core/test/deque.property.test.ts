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
          if (op === 'take') {
            const taken = deque.take((n) => n % times === 0);
            assert.deepEqual(
              taken,
              model.filter((n) => n % times === 0),
            );
            model = model.filter((n) => n % times !== 0);
          }
          for (let n = 0; n < times && op !== 'take'; n += 1) {
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
