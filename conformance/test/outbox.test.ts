import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { outboxCases, outboxSuite, runOutboxCase } from '../src/outbox/index.ts';
import { memoryStage } from './support/memory-outbox.ts';
import { outboxMutants } from './support/outbox-mutants.ts';

describe('the outbox suite', () => {
  outboxSuite({ test: it, outbox: { name: 'memory', tables: false, open: () => memoryStage() } });
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
