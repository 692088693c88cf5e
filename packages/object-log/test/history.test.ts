import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { OutboundRecord, Place } from '@duobus/core/driver';
import { History } from '../src/history.ts';
import { PartitionLog } from '../src/partition-log.ts';
import { encodeRecords, encodeSegment } from '../src/segment-codec.ts';
import { MemoryCloud, never, topicOf } from './support/memory-log.ts';
import { MemoryStore } from './support/memory-store.ts';

const beginning: Place = { offset: 0, time: 0 };
const batch = (count: number, bytes = 10): readonly OutboundRecord[] =>
  Array.from({ length: count }, () => ({ key: 'k', headers: {}, body: Buffer.alloc(bytes, 'x') }));

const timers = (): number =>
  process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

describe('reading without a group', () => {
  it('a few records of a segment with a table that is larger than what is looked at', async () => {
    const cloud = new MemoryCloud();
    const topic = topicOf();
    const { driver, store } = cloud.process();
    const { paths } = new PartitionLog(store, 'test/', topic, 0, 0);
    // every second record is gone
    const batches = Array.from({ length: 6_000 }, (_, at) => ({
      first: at * 2,
      count: 1,
      time: 1,
    }));
    const records = batches.map(() => encodeRecords(batch(1)));
    const nonce = '0'.repeat(32);
    const segment = encodeSegment({ first: 0, end: 12_000, nonce, batches, records });
    cloud.objects.put(paths.segment(0), segment);
    for (const maxBytes of [1, 100, 100_000]) {
      const found = await driver.read(topic, 0, beginning, { maxBytes, maxWaitMs: 0 }, never);
      assert.deepEqual(
        found.records.slice(0, 2).map(({ offset }) => offset),
        [0, 2].slice(0, found.records.length),
      );
      assert.ok(found.records.length > 0);
    }
    await driver.close();
  });

  it('goes on with what was fetched ahead for somebody who has left', async () => {
    const cloud = new MemoryCloud();
    const topic = topicOf();
    const { driver, store } = cloud.process();
    for (let n = 0; n < 60; n += 1) await driver.append(topic, 0, batch(1, 70_000), never);
    const one = new AbortController();
    const limits = { maxBytes: 70_000, maxWaitMs: 0 };
    let next = beginning;
    const { paths } = new PartitionLog(store, 'test/', topic, 0, 0);
    const get = store.get.bind(store);
    let underWay = 0;
    // what is fetched ahead is under way until the first leaves
    store.get = (key, signal, ...others) => {
      if (key !== paths.segment(20) || underWay > 0) return get(key, signal, ...others);
      underWay += 1;
      return new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error));
      });
    };
    while (next.offset < 20) ({ next } = await driver.read(topic, 0, next, limits, one.signal));
    assert.equal(underWay, 1);
    one.abort(new Error('the first has left'));
    const found: number[] = [];
    while (next.offset < 60) {
      const read = await driver.read(topic, 0, next, limits, never);
      found.push(...read.records.map(({ offset }) => offset));
      next = read.next;
    }
    assert.deepEqual(
      found,
      Array.from({ length: 40 }, (_, at) => 20 + at),
    );
    await driver.close();
  });

  it('is given up at once by who waits for what somebody else has begun to fetch', async () => {
    const cloud = new MemoryCloud();
    const topic = topicOf();
    const { driver, store } = cloud.process();
    for (let n = 0; n < 60; n += 1) await driver.append(topic, 0, batch(1, 70_000), never);
    const limits = { maxBytes: 70_000, maxWaitMs: 0 };
    let next = beginning;
    for (let n = 0; n < 8; n += 1) ({ next } = await driver.read(topic, 0, next, limits, never));
    const { paths } = new PartitionLog(store, 'test/', topic, 0, 0);
    const get = store.get.bind(store);
    store.get = (key, ...others) =>
      key === paths.segment(40) ? new Promise(() => undefined) : get(key, ...others);
    while (next.offset < 40) ({ next } = await driver.read(topic, 0, next, limits, never));
    const two = new AbortController();
    const reading = driver.read(topic, 0, next, limits, two.signal);
    const late = sleep(5_000, 'late', { ref: false });
    setTimeout(() => two.abort(new Error('the second has left')), 50);
    await assert.rejects(Promise.race([reading, late]), /the second has left/);
    await driver.close();
  });

  it('leaves no timer behind when it was closed meanwhile', async () => {
    const cloud = new MemoryCloud();
    const topic = topicOf();
    const { driver } = cloud.process();
    for (let n = 0; n < 3; n += 1) await driver.append(topic, 0, batch(1, 70_000), never);
    await driver.close();
    const history = new History();
    const log = new PartitionLog(new MemoryStore(cloud.objects), 'test/', topic, 0, 0);
    const before = timers();
    const reading = history.read(log, beginning, 70_000, never);
    history.close();
    assert.deepEqual((await reading).atEnd, false);
    assert.equal(timers(), before);
  });

  it('asks nothing more at the end of a wait in which nobody has rung', async () => {
    const cloud = new MemoryCloud();
    const topic = topicOf();
    const { driver, store } = cloud.process();
    await driver.append(topic, 0, batch(1), never);
    const from = { offset: 1, time: 0 };
    const wait = async () => driver.read(topic, 0, from, { maxBytes: 1, maxWaitMs: 200 }, never);
    store.reset();
    const began = performance.now();
    const found = await wait();
    assert.ok(performance.now() - began > 190);
    assert.deepEqual(found, { records: [], next: from, atEnd: true });
    const asked = store.asked.filter((key) => key.endsWith('/start')).length;
    assert.equal(asked, 2, 'at the beginning, and when it listens');
    const waiting = driver.read(topic, 0, from, { maxBytes: 1, maxWaitMs: 20_000 }, never);
    await driver.append(topic, 0, batch(1), never);
    assert.equal((await waiting).records.length, 1);
    await driver.close();
  });
});
