import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  BusError,
  type LogDriver,
  type OutboundRecord,
  type StoredTopic,
} from '@duobus/core/driver';
import { compact } from '../src/compaction.ts';
import { type ListedSegment, listSegments } from '../src/listed-segments.ts';
import { PartitionLog } from '../src/partition-log.ts';
import { MemoryCloud, never, shelve, topicOf } from './support/memory-log.ts';
import { MemoryObjects } from './support/memory-objects.ts';
import { MemoryStore } from './support/memory-store.ts';
import { readAll } from './support/read-all.ts';
import { eventually } from './support/eventually.ts';

const minute = 60_000;
const start = 1_000_000 * minute;

function recordsOf(from: number, count: number, bytes = 10): readonly OutboundRecord[] {
  return Array.from({ length: count }, (_, at) => ({
    key: `k${(from + at) % 3}`,
    headers: {},
    body: Buffer.from(`${from + at}`.padEnd(bytes, '.')),
  }));
}

/** A cloud whose clock stands, and a process of it. */
async function setUp(given: Partial<StoredTopic>) {
  const clock = { now: start };
  const cloud = new MemoryCloud(new MemoryObjects(() => clock.now, 1_000));
  const topic = topicOf(given);
  const { driver, store } = cloud.process();
  await shelve(driver, topic);
  const segments = (): readonly string[] =>
    cloud.objects.keys.filter((key) => key.includes('/log/'));
  return { clock, cloud, topic, driver, store, segments };
}

async function fill(driver: LogDriver, topic: StoredTopic, count: number, bytes = 10) {
  const [bounds] = await driver.bounds(topic, never);
  const from = bounds?.end.offset ?? 0;
  for (let n = 0; n < count; n += 1) {
    const outcomes = await driver.append(topic, 0, recordsOf(from + n, 1, bytes), never);
    assert.ok(outcomes.every(({ status }) => status === 'stored'));
  }
}

const upTo = (end: number): readonly number[] => Array.from({ length: end }, (_, at) => at);

/** The first offsets of the segments there are. */
const firsts = (keys: readonly string[]): readonly number[] =>
  keys
    .map((key) => Number.MAX_SAFE_INTEGER - Number(key.slice(key.lastIndexOf('/') + 1)))
    .toReversed();

const offsets = (records: readonly { readonly offset: number }[]): readonly number[] =>
  records.map(({ offset }) => offset);

describe('retention', () => {
  it('keeps at least what it is told to by size, at once, and deletes the rest when that is safe', async () => {
    const { clock, topic, driver, segments } = await setUp({
      retention: { maxAgeMs: null, maxBytes: 2_000 },
    });
    await fill(driver, topic, 10, 1_000);
    await driver.keep(topic);
    const [bounds] = await driver.bounds(topic, never);
    assert.deepEqual([bounds?.first.offset, bounds?.end.offset], [8, 10]);
    assert.equal(segments().length, 10, 'somebody could still write where they are');
    await assert.rejects(
      driver.read(topic, 0, { offset: 7, time: 0 }, { maxBytes: 1, maxWaitMs: 0 }, never),
      (error) => BusError.is(error, 'DUOBUS_POSITION_GONE'),
    );
    clock.now += 31 * minute;
    await driver.keep(topic);
    assert.equal(segments().length, 2);
    assert.deepEqual(offsets(await readAll(driver, topic, 0)), [8, 9]);
    await driver.close();
  });

  it('lets go of what is too old, and keeps the end of an empty log', async () => {
    const { clock, topic, driver, segments } = await setUp({
      retention: { maxAgeMs: 60 * minute, maxBytes: null },
    });
    await fill(driver, topic, 3);
    clock.now += 40 * minute;
    await fill(driver, topic, 2);
    await driver.keep(topic);
    assert.deepEqual(offsets(await readAll(driver, topic, 0)), [0, 1, 2, 3, 4]);
    clock.now += 21 * minute;
    await driver.keep(topic);
    assert.deepEqual(offsets(await readAll(driver, topic, 0)), [3, 4]);
    clock.now += 60 * minute;
    await driver.keep(topic);
    const [bounds] = await driver.bounds(topic, never);
    assert.deepEqual(bounds?.first, bounds?.end);
    assert.equal(bounds?.end.offset, 5);
    assert.equal(segments().length, 1, 'the newest is never deleted');
    await fill(driver, topic, 1);
    assert.deepEqual(offsets(await readAll(driver, topic, 0)), [5]);
    await driver.close();
  });

  it('goes by the age of records, not of the segment that compaction has put them into', async () => {
    const { clock, topic, driver } = await setUp({
      retention: { maxAgeMs: 60 * minute, maxBytes: null },
    });
    await fill(driver, topic, 150);
    clock.now += 45 * minute;
    await fill(driver, topic, 2);
    await driver.keep(topic);
    clock.now += 16 * minute;
    await driver.keep(topic);
    const [bounds] = await driver.bounds(topic, never);
    assert.equal(bounds?.first.offset, 150);
    await driver.close();
  });

  it('deletes the oldest first, and none that comes after one that has to stay', async () => {
    const { clock, topic, driver, segments } = await setUp({
      retention: { maxAgeMs: null, maxBytes: 2_000_000 },
    });
    await fill(driver, topic, 1, 700_000);
    await fill(driver, topic, 100, 100);
    await fill(driver, topic, 1, 700_000);
    clock.now += 40 * minute;
    await fill(driver, topic, 1);
    clock.now += 40 * minute;
    await driver.keep(topic);
    assert.deepEqual(firsts(segments()), [0, 1, 101, 102]);
    // the successor of the first is young again
    clock.now += 5 * minute;
    await fill(driver, topic, 4, 700_000);
    await driver.keep(topic);
    const [bounds] = await driver.bounds(topic, never);
    assert.equal(bounds?.first.offset, 104);
    assert.deepEqual(firsts(segments()), [0, 1, 101, 102, 103, 104, 105, 106]);
    clock.now += 31 * minute;
    await driver.keep(topic);
    assert.deepEqual(firsts(segments()), [104, 105, 106]);
    await driver.close();
  });

  it('goes on with the one that could not be deleted', async () => {
    for (const trouble of ['fails', 'conflict'] as const) {
      const { clock, topic, driver, store, segments } = await setUp({
        retention: { maxAgeMs: 10 * minute, maxBytes: null },
      });
      await fill(driver, topic, 5);
      clock.now += 60 * minute;
      await fill(driver, topic, 1);
      clock.now += 40 * minute;
      await fill(driver, topic, 1);
      const stays = segments().at(-2);
      const remove = store.remove.bind(store);
      let troubles = 0;
      store.remove = async (key, ...others) => {
        if (key !== stays) return remove(key, ...others);
        troubles += 1;
        if (troubles > 1) return remove(key, ...others);
        if (trouble === 'conflict') return 'conflict';
        throw new BusError('DUOBUS_UNAVAILABLE', 'busy', { retryable: true, outcome: 'rejected' });
      };
      const keeping = driver.keep(topic);
      if (trouble === 'fails') await assert.rejects(keeping);
      else await keeping;
      assert.deepEqual(firsts(segments()), [1, 2, 3, 4, 5, 6]);
      clock.now += 31 * minute;
      await driver.keep(topic);
      assert.deepEqual(firsts(segments()), [6]);
      await driver.close();
    }
  });

  it('is what the topic says now, whatever the publisher thought', async () => {
    const { topic, driver } = await setUp({ retention: { maxAgeMs: null, maxBytes: 1_000 } });
    await driver.alterTopic(
      topic,
      { ...topic, retention: { maxAgeMs: null, maxBytes: null } },
      never,
    );
    await fill(driver, topic, 10, 1_000);
    await driver.keep(topic);
    assert.equal((await readAll(driver, topic, 0)).length, 10);
    await driver.close();
  });

  it('is looked after by itself soon after much was appended', async () => {
    const { topic, driver } = await setUp({ retention: { maxAgeMs: null, maxBytes: 1_000 } });
    await fill(driver, topic, 10, 1_000);
    await eventually(async () => {
      const [bounds] = await driver.bounds(topic, never);
      return (bounds?.first.offset ?? 0) > 0;
    });
    await driver.close();
  });
});

describe('compaction', () => {
  it('puts many small segments into one, with their offsets and times', async () => {
    const { clock, topic, driver, segments } = await setUp({});
    for (let n = 0; n < 5; n += 1) {
      clock.now += minute;
      await fill(driver, topic, 50);
    }
    const before = await readAll(driver, topic, 0);
    await driver.keep(topic);
    assert.equal(segments().length, 250, 'a writer may still think that it is at one of them');
    clock.now += 31 * minute;
    await driver.keep(topic);
    assert.ok(segments().length < 60, `${segments().length} segments`);
    const after = await readAll(driver, topic, 0);
    assert.deepEqual(after.slice(0, 250), before);
    for (const { offset } of before) {
      const limits = { maxBytes: 1, maxWaitMs: 0 };
      const found = await driver.read(topic, 0, { offset, time: 0 }, limits, never);
      assert.equal(found.records[0]?.offset, offset, 'from the middle too');
    }
    await driver.close();
  });

  it('is not noticed by a reader that is under way', async () => {
    const { clock, cloud, topic, driver, segments } = await setUp({});
    await fill(driver, topic, 300);
    const reader = cloud.process().driver;
    const read = async (offset: number) =>
      reader.read(topic, 0, { offset, time: 0 }, { maxBytes: 1, maxWaitMs: 0 }, never);
    const found: number[] = [];
    const step = async (): Promise<void> => {
      const { records, next, atEnd } = await read(found.length);
      found.push(...offsets(records));
      assert.ok(atEnd || next.offset === found.length);
    };
    for (let n = 0; n < 30; n += 1) await step();
    clock.now += 31 * minute;
    // with every object that is written or deleted the reader goes a step
    const steps: Promise<void>[] = [];
    let last = Promise.resolve();
    cloud.objects.onWrite = () => {
      last = last.then(step);
      steps.push(last);
    };
    await driver.keep(topic);
    await Promise.all(steps);
    cloud.objects.onWrite = () => undefined;
    assert.ok(segments().length < 120);
    while (found.length < 300) await step();
    assert.deepEqual(
      found,
      Array.from({ length: 300 }, (_, at) => at),
    );
    await reader.close();
    await driver.close();
  });

  it('that was interrupted leaves nothing wrong, and the next one goes on', async () => {
    for (let diesAfter = 1; diesAfter < 30; diesAfter += 3) {
      const { clock, cloud, topic, driver, segments } = await setUp({
        retention: { maxAgeMs: null, maxBytes: 10_000_000 },
      });
      await fill(driver, topic, 120);
      clock.now += 31 * minute;
      let writes = 0;
      cloud.objects.onWrite = () => {
        writes += 1;
        if (writes > diesAfter) throw new BusError('DUOBUS_UNAVAILABLE', 'it has died');
      };
      await assert.rejects(driver.keep(topic));
      cloud.objects.onWrite = () => undefined;
      assert.equal((await readAll(driver, topic, 0)).length, 120);
      clock.now += 31 * minute;
      const other = cloud.process().driver;
      await other.keep(topic);
      assert.deepEqual(
        offsets(await readAll(other, topic, 0)),
        Array.from({ length: 120 }, (_, at) => at),
      );
      assert.ok(segments().length < 120);
      await other.close();
      await driver.close();
    }
  });

  it('leaves what has a young successor, and all that comes after it', async () => {
    for (const trouble of ['fails', 'twice at once'] as const) {
      const { clock, cloud, topic, driver, store, segments } = await setUp({});
      await fill(driver, topic, 1, 1_000);
      await fill(driver, topic, 1, 700_000);
      await fill(driver, topic, 100, 100);
      await fill(driver, topic, 1, 700_000);
      clock.now += 40 * minute;
      await fill(driver, topic, 1);
      clock.now += 40 * minute;
      const other = cloud.process().driver;
      const put = store.put.bind(store);
      let puts = 0;
      store.put = async (key, ...others) => {
        if (key.endsWith('/upkeep')) puts += 1;
        // how far it has come is not known to the next
        if (key.endsWith('/upkeep') && puts === 2) {
          if (trouble === 'fails') throw new BusError('DUOBUS_UNAVAILABLE', 'busy');
          await other.keep(topic);
        }
        return put(key, ...others);
      };
      await driver.keep(topic).catch(() => undefined);
      assert.deepEqual(firsts(segments()), [0, 1, 2, 102, 103]);
      for (let n = 0; n < 4; n += 1) {
        clock.now += 15 * minute;
        await other.keep(topic);
        assert.deepEqual(offsets(await readAll(other, topic, 0)), upTo(104));
        const reader = cloud.process().driver;
        const limits = { maxBytes: 1, maxWaitMs: 0 };
        const found = await reader.read(topic, 0, { offset: 1, time: 0 }, limits, never);
        assert.equal(found.records[0]?.offset, 1);
        await reader.close();
      }
      await other.close();
      await driver.close();
    }
  });

  it('puts only neighbours into one, whatever it is given', async () => {
    const { topic, driver, cloud, segments } = await setUp({});
    await fill(driver, topic, 210);
    const log = new PartitionLog(new MemoryStore(cloud.objects), 'test/', topic, 0, 0);
    const listed: ListedSegment[] = [];
    for await (const segment of listSegments(log, never)) listed.unshift(segment);
    const settled = listed.filter(({ first, until }) => first !== 1 && until !== undefined);
    assert.equal(await compact(log, settled, false, never), 0);
    assert.equal(segments().length, 210);
    assert.equal(await compact(log, settled.slice(1), false, never), 202);
    assert.deepEqual(offsets(await readAll(driver, topic, 0)), upTo(210));
    await driver.close();
  });

  it('keeps of a topic of which only the newest of each key counts just that', async () => {
    const { clock, topic, driver } = await setUp({ compacted: true });
    await fill(driver, topic, 101);
    clock.now += 31 * minute;
    await driver.keep(topic);
    assert.deepEqual(offsets(await readAll(driver, topic, 0)), [97, 98, 99, 100]);
    const [bounds] = await driver.bounds(topic, never);
    assert.equal(bounds?.end.offset, 101);
    await driver.close();
  });
});
