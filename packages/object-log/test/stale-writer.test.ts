import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  BusError,
  type LogDriver,
  type OutboundRecord,
  type StoredTopic,
} from '@duobus/core/driver';
import { moment } from '../src/moment.ts';
import { PartitionLog } from '../src/partition-log.ts';
import { advanceStart } from '../src/partition-start.ts';
import { PartitionPaths } from '../src/paths.ts';
import { MemoryCloud, never, shelve, topicOf } from './support/memory-log.ts';
import { MemoryObjects } from './support/memory-objects.ts';
import { MemoryStore } from './support/memory-store.ts';
import { readAll } from './support/read-all.ts';

const minute = 60_000;
const bodyOf = (text: string): readonly OutboundRecord[] => [
  { key: 'k', headers: {}, body: Buffer.from(text) },
];

const limits = { maxBytes: 100_000, maxWaitMs: 0 };

async function append(driver: LogDriver, topic: StoredTopic, text: string): Promise<number> {
  const [outcome] = await driver.append(topic, 0, bodyOf(text), never);
  assert.equal(outcome?.status, 'stored');
  return outcome?.status === 'stored' ? (outcome.place?.offset ?? -1) : -1;
}

/**
 * One writer knows where the log ends. Another one appends, and retention removes what it can. Then the first appends.
 * Resolves to whether its document can be read.
 */
async function survives(upkeep: {
  readonly trustMs: number;
  readonly deleteAfterMs: number;
}): Promise<boolean> {
  let now = 1_000_000 * minute;
  const cloud = new MemoryCloud(new MemoryObjects(() => now, 1_000));
  const topic = topicOf({ retention: { maxAgeMs: null, maxBytes: 1 } });
  const stale = cloud.process({ upkeep });
  const other = cloud.process({ upkeep });
  await shelve(other.driver, topic);
  await append(stale.driver, topic, 'first');
  for (let n = 0; n < 5; n += 1) {
    now += 5 * minute;
    await append(other.driver, topic, `other ${n}`);
  }
  await other.driver.keep(topic);
  const offset = await append(stale.driver, topic, 'mine').catch(() => -1);
  const found = await readAll(other.driver, topic, 0);
  await stale.driver.close();
  await other.driver.close();
  return found.some((record) => record.offset === offset && String(record.body) === 'mine');
}

describe('a writer with an old idea of the end', () => {
  const always = Number.MAX_SAFE_INTEGER;

  it('loses nothing as long as nothing is deleted that its idea could lead it to', async () => {
    assert.equal(await survives({ trustMs: always, deleteAfterMs: 30 * minute }), true);
  });

  it('loses nothing where things are deleted at once if it looks again', async () => {
    assert.equal(await survives({ trustMs: 0, deleteAfterMs: 0 }), true);
  });

  it('would lose its document without both rules, so that this test is one', async () => {
    assert.equal(await survives({ trustMs: always, deleteAfterMs: 0 }), false);
  });

  it('takes its document out of a hole where it stood still before the write', async () => {
    const upkeep = { trustMs: 20, deleteAfterMs: 0 };
    let now = 1_000_000 * minute;
    const cloud = new MemoryCloud(new MemoryObjects(() => now, 1));
    const topic = topicOf({ retention: { maxAgeMs: null, maxBytes: 1 } });
    const store = new MemoryStore(cloud.objects);
    const stale = cloud.process({ upkeep }, store).driver;
    const other = cloud.process({ upkeep }).driver;
    await shelve(other, topic);
    await append(stale, topic, 'first');
    const put = store.put.bind(store);
    let stood = 0;
    store.put = async (...args) => {
      if (args[0].includes('/log/')) stood += 1;
      if (args[0].includes('/log/') && stood === 1) {
        for (let n = 0; n < 5; n += 1) await append(other, topic, `other ${n}`);
        now += 1_000;
        await other.keep(topic);
        await sleep(30);
      }
      return put(...args);
    };
    const offset = await append(stale, topic, 'mine');
    assert.equal(stood, 2);
    const found = await readAll(other, topic, 0);
    assert.equal(String(found.find((record) => record.offset === offset)?.body), 'mine');
    const segments = cloud.objects.keys.filter((key) => key.includes('/log/'));
    assert.equal(segments.length, 2, 'the newest of the others, and its own');
    await stale.close();
    await other.close();
  });

  it('finds a write that arrives after all, when its outcome was not known', async () => {
    const cloud = new MemoryCloud();
    const topic = topicOf();
    const store = new MemoryStore(cloud.objects);
    const { driver } = cloud.process({}, store);
    const records = bodyOf('late');
    store.weather = { ...store.weather, late: 1, lateMs: 300 };
    const [outcome] = await driver.append(topic, 0, records, never);
    assert.equal(outcome?.status, 'unknown');
    store.weather = { ...store.weather, late: 0 };
    await store.settled();
    const puts = store.requests.put;
    const [again] = await driver.append(topic, 0, records, never);
    assert.equal(again?.status, 'stored');
    assert.equal(store.requests.put, puts, 'a look was enough');
    assert.equal((await readAll(driver, topic, 0)).length, 1);
    await driver.close();
  });
});

describe('a hole', () => {
  /** The log begins at 6, and some of what is before is gone. */
  async function withHole(gone: readonly number[]) {
    const cloud = new MemoryCloud();
    const topic = topicOf();
    const { driver, store } = cloud.process();
    await shelve(driver, topic);
    for (let n = 0; n < 9; n += 1) await append(driver, topic, `document ${n}`);
    const paths = new PartitionPaths('test/', topic, 0);
    await advanceStart({ store, paths }, 6, never);
    for (const offset of gone) cloud.objects.remove(paths.segment(offset));
    return { cloud, topic, driver };
  }

  it('is never taken for the end', async () => {
    for (const gone of [[1], [1, 2], [5], [3, 4, 5], [0], [0, 1, 2]])
      for (const from of gone) {
        const { cloud, topic, driver } = await withHole(gone);
        const other = cloud.process().driver;
        await assert.rejects(
          other.read(topic, 0, { offset: from, time: 0 }, limits, never),
          (error) => {
            assert.ok(BusError.is(error, 'DUOBUS_POSITION_GONE'));
            assert.deepEqual([error.context['first'], error.context['end']], [6, 9]);
            return true;
          },
        );
        assert.equal(await append(other, topic, 'mine'), 9);
        const found = await readAll(driver, topic, 0);
        assert.equal(String(found.at(-1)?.body), 'mine');
        await other.close();
        await driver.close();
      }
  });

  it('is none where nothing was appended', async () => {
    const cloud = new MemoryCloud();
    const topic = topicOf();
    const { driver } = cloud.process();
    const found = await driver.read(topic, 0, { offset: 0, time: 0 }, limits, never);
    assert.ok(found.atEnd);
    assert.equal(await append(driver, topic, 'first'), 0);
    await driver.close();
  });

  it('costs nothing more to tell from the end', async () => {
    const { cloud, topic, driver } = await withHole([]);
    const { driver: other, store } = cloud.process();
    const found = await other.read(topic, 0, { offset: 9, time: 0 }, limits, never);
    assert.ok(found.atEnd);
    assert.equal(store.requests.list, 1);
    await other.close();
    await driver.close();
  });

  it('is not where a log that is known wrongly ends: who sees where it begins looks again', async () => {
    const { cloud, topic, driver } = await withHole([3, 4, 5]);
    const store = new MemoryStore(cloud.objects);
    const log = new PartitionLog(store, 'test/', topic, 0, 300_000);
    log.end.confirm(3, moment());
    const { first, end } = await log.bounds(never);
    assert.deepEqual([first.offset, end.offset], [6, 9]);
    await driver.close();
  });
});
