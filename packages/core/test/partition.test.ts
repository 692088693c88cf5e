import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { partitionOf } from '../src/partition.ts';

describe('partitionOf', () => {
  // What Java's Kafka client and kafkajs make of these keys: (murmur2(utf8) & 0x7fffffff) % 1,000,003.
  for (const [key, expected] of [
    ['', 645_856],
    ['a', 100_772],
    ['abc', 468_670],
    ['abcd', 831_631],
    ['héllo', 507_160],
    ['0', 24_483],
    ['order-42', 151_521],
    ['ключ', 336_658],
  ] as const) {
    it(`sends '${key}' to where Kafka's clients send it`, () => {
      assert.equal(partitionOf(key, 1_000_003), expected);
    });
  }

  it('spreads keys evenly', () => {
    const counts = new Map<number, number>();
    for (let index = 0; index < 80_000; index += 1) {
      const partition = partitionOf(`order-${index}`, 8);
      counts.set(partition, (counts.get(partition) ?? 0) + 1);
    }
    assert.equal(counts.size, 8);
    for (const count of counts.values()) assert.ok(count > 9500 && count < 10_500, `${count}`);
  });

  it('knows only one partition where there is one', () => {
    assert.equal(partitionOf('anything', 1), 0);
  });
});
