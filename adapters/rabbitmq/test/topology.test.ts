import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  dataStream,
  exchangeName,
  groupStream,
  partitionStream,
  queuesOf,
} from '../src/topology.ts';
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

describe('streams of the data bus', () => {
  it('have names that fit, are plain text and never collide', () => {
    const pair = fc.tuple(text, text);
    fc.assert(
      fc.property(pair, pair, fc.nat(1023), (one, other, partition) => {
        const all = [one, other].flatMap(([topic, group]) => [
          partitionStream(topic, partition),
          groupStream(topic, group),
        ]);
        for (const each of all) {
          assert.match(each, /^duobus\.data:[A-Za-z0-9._%:#-]+$/);
          assert.ok(each.length <= 255);
        }
        const different =
          (one[0] === other[0] ? 1 : 2) + (one.join('\0') === other.join('\0') ? 1 : 2);
        assert.equal(new Set(all).size, different);
      }),
    );
  });

  it('keep at least what retention says when a segment is dropped', () => {
    for (const maxBytes of [1, 20_000, 1_000_000, 10_000_000_000]) {
      const topic = { ...wantedTopic('key'), retention: { maxAgeMs: 1_500, maxBytes } };
      const given = dataStream(topic).arguments;
      const segment = Number(given['x-stream-max-segment-size-bytes']);
      assert.ok(segment >= 100_000 && segment <= 16 * 1024 * 1024);
      assert.ok(Number(given['x-max-length-bytes']) - segment >= maxBytes);
      assert.equal(given['x-max-age'], '2s');
    }
  });
});
