import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { outboxCases, outboxSuite, runOutboxCase } from '../src/outbox/index.ts';
import { memoryStage } from './support/memory-outbox.ts';
import { outboxMutants } from './support/outbox-mutants.ts';

describe('the outbox suite', () => {
  const outbox = { name: 'memory', tables: false, open: () => memoryStage() };
  outboxSuite({ test: it, outbox });

  it('tells the runner how long a case may take, longer for a slow store', () => {
    const limits = new Set<number>();
    for (const slow of [1, 3])
      outboxSuite({ test: (_, __, ms) => limits.add(ms), outbox: { ...outbox, slow } });
    assert.deepEqual([...limits], [60_000, 180_000]);
  });

  it('refuses wrong options', () => {
    const wrong: readonly (readonly [object, RegExp])[] = [
      [{ test: it, outbox, store: 1 }, /unknown option 'store'/],
      [{ outbox }, /test must be/],
      [{ test: it }, /outbox must be/],
    ];
    for (const [options, message] of wrong)
      assert.throws(() => outboxSuite(options as never), { name: 'TypeError', message });
  });
});

describe('broken outbox stores', { concurrency: 4 }, () => {
  it('are one for every case at least, with names of their own', () => {
    assert.equal(new Set(outboxMutants.map(({ name }) => name)).size, outboxMutants.length);
    assert.deepEqual(
      new Set(outboxMutants.map(({ killedBy }) => killedBy)),
      new Set(outboxCases.map(({ name }) => name)),
    );
  });

  for (const { name, killedBy, breakIt, tables = false } of outboxMutants) {
    it(`${name} is killed by ${killedBy}`, async () => {
      const named = outboxCases.find((one) => one.name === killedBy);
      assert.ok(named);
      const open = (): ReturnType<typeof memoryStage> => memoryStage(breakIt);
      await assert.rejects(
        runOutboxCase(named, { name, tables, open, slow: 0.05 }),
        /^Error: (?:expected|waited in vain)/,
      );
    });
  }
});
