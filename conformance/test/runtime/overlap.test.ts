import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { intercept } from '../../src/intercept.ts';
import { run } from '../../src/index.ts';
import { memoryHarness } from '../support/memory.ts';

describe('a driver that takes one append per partition at a time', () => {
  it('is never given two, of documents or of dead letters', async () => {
    const busy = new Set<string>();
    const overlapping: string[] = [];
    const harness = memoryHarness((adapter) => ({
      ...adapter,
      log: intercept(adapter.log as NonNullable<typeof adapter.log>, (log) => ({
        capabilities: {
          ...log.capabilities,
          publish: { ...log.capabilities.publish, calls: 1, maxRecords: 7 },
        },
        append: async (topic, partition, records, signal) => {
          const line = `${topic.name}/${partition}`;
          if (busy.has(line)) overlapping.push(line);
          busy.add(line);
          try {
            return await log.append(topic, partition, records, signal);
          } finally {
            busy.delete(line);
          }
        },
      })),
    }));
    const only = ['dead-letters.data.many-at-once', 'dead-letters.data.list-redrive-purge'];
    const report = await run(harness, { only });
    assert.deepEqual(
      report.cases.map(({ verdict }) => verdict),
      ['pass', 'pass'],
    );
    assert.deepEqual(overlapping, []);
  });
});
