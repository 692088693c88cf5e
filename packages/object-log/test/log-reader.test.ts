import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Bounds, LogEvent, LogMember, LogRecord, OutboundRecord } from '@duobus/core/driver';
import { encodeState } from '../src/partition-start.ts';
import { PartitionPaths } from '../src/paths.ts';
import { MemoryCloud, never, shelve, topicOf } from './support/memory-log.ts';
import { MemoryObjects } from './support/memory-objects.ts';
import { calm } from './support/memory-store.ts';

const minute = 60_000;

const batch = (count: number, bytes = 10): readonly OutboundRecord[] =>
  Array.from({ length: count }, () => ({
    key: undefined,
    headers: {},
    body: Buffer.alloc(bytes, 'x'),
  }));

/** A member that reads its one partition from a place on. */
class Following {
  readonly records: LogRecord[] = [];
  trimmed: Bounds | undefined;
  ended: LogEvent | undefined;
  largest = 0;
  readonly #member: LogMember;
  readonly #from: number;

  constructor(member: LogMember, from = 0) {
    this.#member = member;
    this.#from = from;
  }

  async until(isSo: () => boolean): Promise<void> {
    while (!isSo())
      for (const event of await this.#member.receive(AbortSignal.timeout(20_000)))
        this.#take(event);
  }

  #take(event: LogEvent): void {
    if (event.type === 'assigned')
      this.#member.start(event.partition, event.token, { offset: this.#from, time: 0 });
    else if (event.type === 'records') {
      this.records.push(...event.records);
      const bytes = event.records.reduce((sum, { body }) => sum + (body?.length ?? 0), 0);
      this.largest = Math.max(this.largest, bytes);
    } else if (event.type === 'trimmed') this.trimmed = event.bounds;
    else if (event.type === 'lost' || event.type === 'gone') this.ended = event;
  }
}

async function setUp(given: Parameters<MemoryCloud['process']>[0] = {}) {
  const clock = { now: 1_000_000 * minute };
  const cloud = new MemoryCloud(new MemoryObjects(() => clock.now, 1_000));
  const topic = topicOf();
  const writer = cloud.process().driver;
  await shelve(writer, topic);
  const { driver, store } = cloud.process({ lookEveryMs: 100_000, ...given });
  const close = async (): Promise<void> => {
    await driver.close();
    await writer.close();
  };
  return { clock, cloud, topic, writer, driver, store, close };
}

describe('a member that reads', () => {
  it('catches up with what it has missed, some segments at a time, and then follows', async () => {
    const { topic, writer, driver, store, close } = await setUp();
    for (let n = 0; n < 400; n += 1) await writer.append(topic, 0, batch(2), never);
    const member = await driver.join(topic, 'work', 'me', never);
    const following = new Following(member);
    store.reset();
    await following.until(() => following.records.length === 800);
    assert.ok(store.requests.list < 15, `${store.requests.list} lists`);
    assert.ok(store.requests.get < 440, `${store.requests.get} gets`);
    await writer.append(topic, 0, batch(1), never);
    await following.until(() => following.records.length === 801);
    assert.deepEqual(
      following.records.map(({ offset }) => offset),
      following.records.map((_, at) => at),
    );
    await member.close();
    await close();
  });

  it('gets large segments in parts', async () => {
    const { topic, writer, driver, close } = await setUp();
    await writer.append(topic, 0, batch(40, 100_000), never);
    const member = await driver.join(topic, 'work', 'me', never);
    const following = new Following(member, 1);
    await following.until(() => following.records.length === 39);
    assert.ok(following.largest < 1_300_000, `${following.largest} bytes at once`);
    await member.close();
    await close();
  });

  it('finds without a bell what was appended, when it looks', async () => {
    const { cloud, topic, writer, driver, close } = await setUp({ lookEveryMs: 50 });
    const member = await driver.join(topic, 'work', 'me', never);
    const following = new Following(member);
    cloud.bells.deaf = 1;
    for (let n = 1; n < 5; n += 1) {
      await writer.append(topic, 0, batch(1), never);
      await following.until(() => following.records.length === n);
    }
    await member.close();
    await close();
  });

  it('asks once where a bell promises more than there is', async () => {
    const { cloud, topic, writer, driver, store, close } = await setUp();
    const member = await driver.join(topic, 'work', 'me', never);
    const following = new Following(member);
    await writer.append(topic, 0, batch(1), never);
    await following.until(() => following.records.length === 1);
    const { doorbell } = cloud.bells;
    doorbell.ring(topic.name, 'log/0/999999');
    doorbell.ring(topic.name, 'log/7/1');
    doorbell.ring(topic.name, 'something else');
    await writer.append(topic, 0, batch(1), never);
    await following.until(() => following.records.length === 2);
    const asked = store.asked.filter((key) => key.includes('/log/')).length;
    assert.ok(asked < 10, `${asked} requests`);
    await member.close();
    await close();
  });

  it('is told what retention has removed, and goes on where it is started again', async () => {
    const { clock, topic, writer, driver, close } = await setUp();
    const next = { ...topic, retention: { maxAgeMs: null, maxBytes: 1 } };
    await writer.alterTopic(topic, next, never);
    for (let n = 0; n < 5; n += 1) await writer.append(next, 0, batch(1), never);
    for (let n = 0; n < 2; n += 1) {
      await writer.keep(next);
      const member = await driver.join(topic, 'work', `me${n}`, never);
      const following = new Following(member, 1);
      await following.until(() => following.trimmed !== undefined);
      assert.equal(following.trimmed?.first.offset, 4);
      assert.equal(following.records.length, 0);
      await member.close();
      // the second time it is not there physically either
      clock.now += 60 * minute;
    }
    const beyond = await driver.join(topic, 'work', 'beyond', never);
    const following = new Following(beyond, 17);
    await following.until(() => following.trimmed !== undefined);
    assert.equal(following.trimmed?.end.offset, 5);
    await beyond.close();
    await close();
  });

  it('goes on where the store fails for a moment', async () => {
    const { topic, writer, driver, store, close } = await setUp({ leaseMs: 20_000 });
    const member = await driver.join(topic, 'work', 'me', never);
    const following = new Following(member);
    await writer.append(topic, 0, batch(1), never);
    await following.until(() => following.records.length === 1);
    store.weather = { ...calm, refused: 0.2 };
    for (let n = 2; n < 12; n += 1) {
      await writer.append(topic, 0, batch(1), never);
      await following.until(() => following.records.length === n || following.ended !== undefined);
    }
    assert.equal(following.ended, undefined);
    await member.close();
    await close();
  });

  it('is told so too where it seems to be at the end', async () => {
    for (const known of [false, true]) {
      const { cloud, topic, writer, driver, close } = await setUp({ lookEveryMs: 50 });
      await (known ? driver : writer).append(topic, 0, batch(1), never);
      const member = await driver.join(topic, 'work', 'me', never);
      const following = new Following(member);
      if (known) await following.until(() => following.records.length === 1);
      cloud.bells.deaf = 1;
      for (let n = 1; n < 9; n += 1) await writer.append(topic, 0, batch(1), never);
      // what a process with a clock that stands could do
      const paths = new PartitionPaths('test/', topic, 0);
      cloud.objects.put(paths.start, encodeState({ v: 1, first: 6 }));
      for (const offset of [1, 2, 3, 4, 5]) cloud.objects.remove(paths.segment(offset));
      const late = known ? following : new Following(member, 1);
      await late.until(() => late.trimmed !== undefined);
      assert.deepEqual([late.trimmed?.first.offset, late.trimmed?.end.offset], [6, 9]);
      await member.close();
      await close();
    }
  });

  it('never gets a time that goes back, whatever the clocks of the store say', async () => {
    const { clock, topic, writer, driver, close } = await setUp();
    for (const ms of [5_000, -3_000, 1_000, 0, 4_000]) {
      clock.now += ms;
      await writer.append(topic, 0, batch(1), never);
    }
    const member = await driver.join(topic, 'work', 'me', never);
    const following = new Following(member);
    await following.until(() => following.records.length === 5);
    const times = following.records.map(({ time }) => time);
    assert.deepEqual(times, times.toSorted());
    await member.close();
    await close();
  });

  it('is over when what it relies on is lost', async () => {
    const { cloud, topic, driver, close } = await setUp();
    const member = await driver.join(topic, 'work', 'me', never);
    const following = new Following(member);
    cloud.restart();
    await following.until(() => following.ended !== undefined);
    assert.equal(following.ended?.type, 'lost');
    await driver.open(never);
    await member.close();
    await close();
  });
});
