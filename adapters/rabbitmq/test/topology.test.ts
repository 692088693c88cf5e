import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { exchangeName, queuesOf } from '../src/topology.ts';
import { wantedTopic } from './support/driver.ts';

const text = fc.oneof(
  fc.string({ minLength: 1, maxLength: 120, unit: 'grapheme' }),
  fc.constantFrom('a', 'a:b', 'b', 'a%3Ab', '#', 'a.b', '*', 'x'.repeat(80), 'x'.repeat(81)),
);

function namesOf(topic: string, name: string, order: 'none' | 'key'): readonly string[] {
  const queues = queuesOf({ ...wantedTopic(order), name: topic }, name);
  const partitioned =
    order === 'key'
      ? [queues.main(1023), queues.lock(0), queues.delay(1_677_721_600, 1023)]
      : [queues.delay(100, 0)];
  return [queues.main(0), queues.suspects, queues.members, queues.dead, ...partitioned];
}

describe('names in the broker', () => {
  it('fit into 255 bytes and are plain text', () => {
    fc.assert(
      fc.property(
        text,
        text,
        fc.constantFrom('none' as const, 'key' as const),
        (topic, name, order) => {
          for (const each of [exchangeName(topic), ...namesOf(topic, name, order)]) {
            assert.match(each, /^duobus\.event:[A-Za-z0-9._%:#-]+$/);
            assert.ok(each.length <= 255);
          }
        },
      ),
    );
  });

  it('never collide', () => {
    const pair = fc.tuple(text, text);
    fc.assert(
      fc.property(pair, pair, (a, b) => {
        fc.pre(JSON.stringify(a) !== JSON.stringify(b));
        const others = new Set(namesOf(...b, 'none'));
        assert.deepEqual(
          namesOf(...a, 'none').filter((each) => others.has(each)),
          [],
        );
      }),
    );
    for (const order of ['none', 'key'] as const) {
      const names = namesOf('t', 's', order);
      assert.equal(new Set(names).size, names.length);
    }
  });
});
