import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { compact } from '../src/compaction.ts';
import { type ListedSegment, listSegments } from '../src/listed-segments.ts';
import { PartitionLog } from '../src/partition-log.ts';
import { advanceStart } from '../src/partition-start.ts';
import { deleteBelow } from '../src/retention.ts';
import { SegmentSource } from '../src/segment-source.ts';
import { MemoryCloud, never, topicOf } from './support/memory-log.ts';
import { MemoryObjects } from './support/memory-objects.ts';
import { calm, MemoryStore } from './support/memory-store.ts';
import { randomFrom } from './support/random.ts';

const segments = 260;

const workers = fc.array(
  fc.oneof(
    fc.record({ compactFrom: fc.nat(segments), dies: fc.boolean() }),
    fc.record({ deleteBelow: fc.nat(segments) }),
    fc.record({ readFrom: fc.nat(segments) }),
  ),
  { minLength: 2, maxLength: 8 },
);

async function all(log: PartitionLog): Promise<readonly ListedSegment[]> {
  const found: ListedSegment[] = [];
  for await (const segment of listSegments(log, never)) found.push(segment);
  return found;
}

/** Offsets from one on, up to the end. */
async function read(log: PartitionLog, from: number): Promise<readonly number[]> {
  const source = new SegmentSource(log, { offset: from, time: 0 });
  const offsets: number[] = [];
  for (;;) {
    const { records, state } = await source.take(500, true, never);
    offsets.push(...records.map(({ offset }) => offset));
    assert.notEqual(state, 'gone');
    if (state === 'end') return offsets;
  }
}

const range = (from: number, to: number): readonly number[] =>
  Array.from({ length: to - from }, (_, at) => from + at);

describe('compaction and retention', () => {
  it('lose nothing where retention comes while compaction deletes what it has put into one', async () => {
    const cloud = new MemoryCloud(new MemoryObjects(() => 1_000_000_000, 1));
    const topic = topicOf();
    const { driver } = cloud.process();
    const record = { key: undefined, headers: {}, body: Buffer.from('x') };
    for (let n = 0; n < 120; n += 1) await driver.append(topic, 0, [record], never);
    await driver.close();
    const store = new MemoryStore(cloud.objects);
    const log = new PartitionLog(store, 'test/', topic, 0, 0);
    const other = new PartitionLog(new MemoryStore(cloud.objects), 'test/', topic, 0, 0);
    const remove = store.remove.bind(store);
    let removals = 0;
    store.remove = async (...args) => {
      removals += 1;
      // the first that is still there a second time is the first to be kept
      if (removals === 60) {
        await advanceStart(other, 60, never);
        await deleteBelow(other, 60, await all(other), 1_000_000_000, never);
      }
      return remove(...args);
    };
    const oldest = (await all(log)).toReversed().filter(({ until }) => until !== undefined);
    await compact(log, oldest, false, never);
    assert.ok(removals > 60);
    assert.deepEqual(await read(other, 60), range(60, 120));
  });

  it('lose nothing that is to be kept, whoever does them at once and dies in between', async () => {
    await fc.assert(
      fc.asyncProperty(workers, fc.nat(), async (jobs, seed) => {
        const random = randomFrom(seed);
        let now = 1_000_000_000;
        const cloud = new MemoryCloud(new MemoryObjects(() => now, 1));
        const topic = topicOf();
        const { driver } = cloud.process();
        for (let n = 0; n < segments; n += 1)
          await driver.append(
            topic,
            0,
            range(0, 1 + Math.floor(random() * 3)).map(() => ({
              key: undefined,
              headers: {},
              body: Buffer.from(`${random()}`),
            })),
            never,
          );
        await driver.close();
        now += 1_000;
        const open = (latencyMs: number): PartitionLog => {
          const store = new MemoryStore(cloud.objects, random);
          store.weather = { ...calm, latencyMs };
          return new PartitionLog(store, 'test/', topic, 0, 0);
        };
        const begin = await read(open(0), 0);
        const end = begin.length;
        let start = 0;
        await Promise.all(
          jobs.map(async (job) => {
            const log = open(random() * 2);
            const listed = await all(log);
            const oldest = listed.toReversed();
            if ('deleteBelow' in job) {
              const first = oldest[job.deleteBelow]?.first ?? 0;
              start = Math.max(start, first);
              await advanceStart(log, first, never);
              await deleteBelow(log, first, listed, now, never);
            } else if ('readFrom' in job) {
              const first = oldest[job.readFrom]?.first ?? 0;
              const found = await read(log, first).catch(() => undefined);
              // what retention has passed may be missing
              if (found !== undefined && start <= first)
                assert.deepEqual(found, range(first, end), 'a reader notices nothing');
              else assert.ok(start > first, 'only what is not kept is gone');
            } else {
              const eligible = oldest
                .slice(job.compactFrom)
                .filter(({ until }) => until !== undefined);
              const stop = new AbortController();
              const work = compact(log, eligible, false, stop.signal).catch(() => undefined);
              if (job.dies) setTimeout(() => stop.abort(new Error('died')), random() * 100);
              await work;
            }
          }),
        );
        assert.deepEqual(await read(open(0), start), range(start, end));
      }),
      { numRuns: 25, endOnFailure: true },
    );
  });
});
