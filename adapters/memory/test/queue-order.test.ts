import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Leased } from '@duobus/core/driver';
import { record, signal, take, text } from './support/drivers.ts';
import { leased, subscribed, taken } from './support/subscribed.ts';

describe('queue driver, order by key', () => {
  it('gives a partition to one member, and to another only after the release', async () => {
    const { queue, topic } = await subscribed({}, { order: 'key', partitions: 2 });
    await queue.publish(topic, 0, [record('1', 'a')], signal);
    await queue.publish(topic, 1, [record('2', 'b'), record('3', 'b')], signal);
    const first = await queue.consume(topic, 'billing', 'main', 1, signal);
    const before = await take(first);
    assert.deepEqual(before.map(({ type }) => type).toSorted(), [
      'assigned',
      'assigned',
      'records',
      'records',
    ]);
    const second = await queue.consume(topic, 'billing', 'main', 1, signal);
    const [asked] = await take(first);
    assert.equal(asked?.type, 'revoking');
    assert.deepEqual(await take(second), []);
    const partition = asked?.type === 'revoking' ? asked.partition : -1;
    await first.release(partition);
    const after = await take(second);
    assert.deepEqual(after[0], { type: 'assigned', partition });
    assert.equal(leased(after)[0]?.redelivered, true);
  });

  it('takes a partition from a member that lets the deadline pass', async () => {
    const { queue, topic, clock } = await subscribed(
      { groupLeaseMs: 5_000 },
      { order: 'key', partitions: 2 },
    );
    await queue.publish(topic, 0, [record('1', 'a')], signal);
    await queue.publish(topic, 1, [record('2', 'b')], signal);
    const first = await queue.consume(topic, 'billing', 'main', 1, signal);
    const held = await taken(first);
    const second = await queue.consume(topic, 'billing', 'main', 1, signal);
    await take(first);
    clock.advance(5_000);
    assert.deepEqual(
      (await take(first)).map(({ type }) => type),
      ['revoked'],
    );
    const [moved] = await taken(second);
    const lost = held.find((old) => text(old) === text(moved as Leased));
    assert.deepEqual(await first.settle([{ token: lost?.token, verdict: 'done' }]), ['lost']);
  });

  it('ends a member that holds a document beyond its lease, so that its key keeps its order', async () => {
    const { queue, topic, clock } = await subscribed(
      { queueLeaseMs: 1_000 },
      { order: 'key', partitions: 1 },
    );
    await queue.publish(topic, 0, [record('1', 'a'), record('2', 'a')], signal);
    const member = await queue.consume(topic, 'billing', 'main', 2, signal);
    await take(member);
    clock.advance(1_000);
    assert.deepEqual(
      (await take(member)).map(({ type }) => type),
      ['lost'],
    );
    const next = await queue.consume(topic, 'billing', 'main', 2, signal);
    assert.deepEqual((await taken(next)).map(text), ['1', '2']);
  });
});
