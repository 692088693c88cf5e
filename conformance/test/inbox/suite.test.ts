import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { memoryStore } from '@duobus/core';
import { casesFor, inboxCases, inboxSuite } from '../../src/inbox/index.ts';
import { memoryHarness } from './memory-harness.ts';
import { transactionalHarness } from './transactional-memory.ts';

const harness = memoryHarness(memoryStore);

describe('inboxSuite', () => {
  it('registers a test for each case that the harness has the means for', () => {
    const namesFor = (store: Parameters<typeof inboxSuite>[0]['store']): readonly string[] => {
      const names: string[] = [];
      inboxSuite({ test: (name) => names.push(name), store });
      return names;
    };
    const plain = namesFor(harness);
    assert.ok(plain.includes('one-begins') && !plain.includes('commits-together'));
    assert.ok(!plain.includes('away') && !plain.includes('processes'));
    const transactional = namesFor(transactionalHarness());
    assert.ok(transactional.includes('commits-together'));
    const all = { ...transactionalHarness(), away: harness.open, processes: { module: 'file:x' } };
    assert.deepEqual(
      namesFor(all),
      inboxCases.map(({ name }) => name),
    );
  });

  it('has a name of its own for each case', () => {
    const names = inboxCases.map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
  });

  it('runs the cases that are named, and knows them', () => {
    assert.deepEqual(
      casesFor(harness, ['fail-frees']).map(({ name }) => name),
      ['fail-frees'],
    );
    assert.throws(() => casesFor(harness, ['fail-free']), /there is no case 'fail-free'/);
    assert.throws(() => casesFor(harness, ['commits-together']), /needs effects/);
  });

  it('tells the runner how long a case may take, longer for a slow store', () => {
    const limits = new Set<number>();
    for (const slow of [1, 3])
      inboxSuite({ test: (_, __, ms) => limits.add(ms), store: { ...harness, slow } });
    assert.deepEqual([...limits], [60_000, 180_000]);
  });

  it('refuses wrong options', () => {
    const wrong: readonly (readonly [object, RegExp])[] = [
      [{ test: it, store: harness, ony: [] }, /Did you mean 'only'/],
      [{ store: harness }, /test must be/],
      [{ test: it }, /store must be/],
      [{ test: it, store: memoryStore() }, /store must be/],
    ];
    for (const [options, message] of wrong)
      assert.throws(() => inboxSuite(options as never), { name: 'TypeError', message });
  });
});
