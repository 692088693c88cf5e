import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MemoryCloud, never, shelve, topicOf } from './support/memory-log.ts';
import { MemoryObjects } from './support/memory-objects.ts';

const steps = fc.array(
  fc.record({
    waitMs: fc.oneof(fc.nat(800), fc.nat(5_000)),
    records: fc.integer({ min: 1, max: 3 }),
  }),
  { minLength: 1, maxLength: 150 },
);

describe('placesAt', () => {
  it('is never late, and early by the granularity at most', async () => {
    await fc.assert(
      fc.asyncProperty(
        steps,
        fc.array(fc.nat(1_000), { minLength: 5 }),
        fc.boolean(),
        async (log, asked, compacts) => {
          const begin = 1_000_000_000;
          let now = begin;
          const cloud = new MemoryCloud(new MemoryObjects(() => now, 1_000));
          const topic = topicOf();
          const { driver } = cloud.process();
          await shelve(driver, topic);
          const times: number[] = [];
          for (const { waitMs, records } of log) {
            now += waitMs;
            const batch = Array.from({ length: records }, () => ({
              key: undefined,
              headers: {},
              body: Buffer.from('x'),
            }));
            await driver.append(topic, 0, batch, never);
            times.push(...batch.map(() => now));
          }
          const end = now;
          if (compacts) {
            now += 40 * 60_000;
            await driver.keep(topic);
          }
          for (const share of asked) {
            const time = Math.floor(begin - 2_000 + ((end - begin + 4_000) * share) / 1_000);
            const [place] = await driver.placesAt(topic, time, never);
            const exact = times.findIndex((at) => at >= time);
            const latest = exact < 0 ? times.length : exact;
            const earliest = times.findIndex((at) => at >= time - 1_000 - 1_000);
            const offset = place?.offset ?? -1;
            assert.ok(offset <= latest, `${offset} is after ${latest}`);
            assert.ok(
              offset >= (earliest < 0 ? times.length : earliest),
              `${offset} before ${earliest}`,
            );
          }
          await driver.close();
        },
      ),
      { numRuns: 60 },
    );
  });
});
