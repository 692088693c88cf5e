import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Registry, type RegistryOp } from '../src/registry.ts';
import { errorOf } from './support/error-of.ts';
import { storedTopic } from './support/scripted-source.ts';

function apply(registry: Registry, ...ops: readonly RegistryOp[]): void {
  for (const op of ops) registry.apply(Registry.encode(op));
}

const topic = storedTopic({ kind: 'data' });

describe('Registry', () => {
  it('keeps the first of several creations', () => {
    const registry = new Registry();
    const other = storedTopic({ kind: 'data', partitions: 9, incarnation: 'two' });
    apply(registry, { v: 1, op: 'topic', topic }, { v: 1, op: 'topic', topic: other });
    assert.deepEqual(registry.topic('data', 'orders'), topic);
    assert.equal(registry.topic('event', 'orders'), undefined, 'an event topic is another one');
  });

  it('takes an alteration only from what is stored', () => {
    const registry = new Registry();
    const five = { ...topic, partitions: 5 };
    const six = { ...topic, partitions: 6 };
    apply(
      registry,
      { v: 1, op: 'topic', topic },
      { v: 1, op: 'alter', from: topic, topic: five },
      { v: 1, op: 'alter', from: topic, topic: six },
    );
    assert.equal(registry.topic('data', 'orders')?.partitions, 5);
  });

  it('counts the names that were dropped, and only these', () => {
    const registry = new Registry();
    const name = { v: 1, op: 'name', kind: 'data', topic: 'orders', name: 'mail' } as const;
    apply(registry, { v: 1, op: 'topic', topic }, name, name);
    assert.equal(registry.drops('data', 'orders'), 0);
    apply(registry, { ...name, op: 'drop-name' }, { ...name, op: 'drop-name' });
    assert.equal(registry.drops('data', 'orders'), 1);
    apply(registry, name, {
      v: 1,
      op: 'drop-topic',
      kind: 'data',
      topic: 'orders',
      incarnation: topic.incarnation,
    });
    assert.equal(registry.drops('data', 'orders'), 2);
    assert.equal(registry.drops('event', 'orders'), 0);
  });

  it('forgets a dropped topic with its names, and not its successor', () => {
    const registry = new Registry();
    const successor = { ...topic, incarnation: 'two' };
    const name = { v: 1, op: 'name', kind: 'data', topic: 'orders' } as const;
    const drop = { v: 1, op: 'drop-topic', kind: 'data', topic: 'orders' } as const;
    apply(
      registry,
      { v: 1, op: 'topic', topic },
      { ...name, name: 'billing' },
      { ...drop, incarnation: 'one' },
      { v: 1, op: 'topic', topic: successor },
      { ...name, name: 'mail' },
      { ...drop, incarnation: 'one' },
    );
    assert.deepEqual(registry.topic('data', 'orders'), successor);
    assert.deepEqual(registry.names('data', 'orders'), ['mail']);
    apply(registry, { v: 1, op: 'drop-name', kind: 'data', topic: 'orders', name: 'mail' });
    assert.deepEqual(registry.names('data', 'orders'), []);
    assert.deepEqual(registry.topics('data'), [successor]);
  });

  it('comes to the same answer for every reader, wherever it began to follow', () => {
    const version = fc.integer({ min: 1, max: 4 }).map((partitions) => ({ ...topic, partitions }));
    const op: fc.Arbitrary<RegistryOp> = fc.oneof(
      version.map((one) => ({ v: 1 as const, op: 'topic' as const, topic: one })),
      fc
        .tuple(version, version)
        .map(([from, to]) => ({ v: 1 as const, op: 'alter' as const, from, topic: to })),
      fc.constant({
        v: 1 as const,
        op: 'drop-topic' as const,
        kind: 'data' as const,
        topic: 'orders',
        incarnation: 'one',
      }),
    );
    fc.assert(
      fc.property(fc.array(op), (ops) => {
        const registry = new Registry();
        let model: number | undefined;
        for (const one of ops) {
          apply(registry, one);
          if (one.op === 'topic') model ??= one.topic.partitions;
          else if (one.op === 'alter' && model === one.from.partitions)
            model = one.topic.partitions;
          else if (one.op === 'drop-topic') model = undefined;
          assert.equal(registry.topic('data', 'orders')?.partitions, model);
        }
      }),
    );
  });

  it('refuses lines of another version, and what is no line', () => {
    errorOf('DUOBUS_DECODE', () => new Registry().apply('{"v":2,"op":"topic"}'));
    errorOf('DUOBUS_DECODE', () => new Registry().apply('hello'));
  });
});
