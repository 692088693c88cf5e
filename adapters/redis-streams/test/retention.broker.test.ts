import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { BusError, type LogRecord, type StoredTopic } from '@duobus/core/driver';
import { partitionKeys } from '../src/keys.ts';
import { soon } from './support/connection.ts';
import {
  at,
  Consumer,
  eventually,
  type Log,
  makeTopic,
  numbered,
  openLog,
  readAll,
  records,
  textOf,
  textsOf,
} from './support/log.ts';

describe('retention of Redis', () => {
  let log: Log;

  before(async () => void (log = await openLog()));
  after(() => log.close());

  const client = () => {
    const { commands } = log.native;
    assert.ok(commands);
    return commands;
  };
  const first = async (topic: StoredTopic) => (await log.bounds(topic, soon()))[0]?.first.offset;
  const sized = (maxBytes: number) => ({ retention: { maxAgeMs: null, maxBytes } });
  const aged = (maxAgeMs: number) => ({ retention: { maxAgeMs, maxBytes: null } });

  /** What is read may be dropped under way. */
  async function readKept(topic: StoredTopic): Promise<LogRecord[]> {
    for (;;) {
      try {
        return await readAll(log, topic);
      } catch (error) {
        if (!BusError.is(error, 'DUOBUS_POSITION_GONE')) throw error;
      }
    }
  }

  /** The bytes that the server counts, and those that are there. */
  async function bytes(topic: StoredTopic): Promise<readonly [counted: number, there: number]> {
    const keys = partitionKeys(topic, 0);
    const entries = await client().xrange(keys.log, '-', '+');
    const there = entries
      .flatMap(([, fields]) => fields.slice(2))
      .reduce((sum, field) => sum + Buffer.byteLength(field), 0);
    return [Number(await client().hget(keys.meta, 'bytes')), there];
  }

  it('keeps as many bytes as it is told, and counts them exactly', async () => {
    const topic = await makeTopic(log, sized(100_000));
    const text = 'x'.repeat(1_000);
    for (let n = 0; n < 20; n += 1)
      await log.append(topic, 0, records(Array.from({ length: 50 }, () => text)), soon());
    const [counted, there] = await bytes(topic);
    assert.equal(counted, there);
    assert.ok(counted >= 100_000 && counted < 140_000, `${counted} bytes`);
    const all = await readAll(log, topic);
    assert.equal(all.at(-1)?.offset, 999);
    assert.equal(await first(topic), 1_000 - all.length);
  });

  it('keeps the newest record, however large it is', async () => {
    const topic = await makeTopic(log, sized(1_000));
    for (const text of ['a', 'b'])
      await log.append(topic, 0, records([text.repeat(50_000)]), soon());
    assert.deepEqual(
      (await textsOf(log, topic)).map((text) => text.slice(0, 1)),
      ['b'],
    );
  });

  it('drops what is too old when it is looked for, though nothing is appended', async () => {
    const topic = await makeTopic(log, aged(1_000));
    await log.append(topic, 0, records(numbered(0, 100)), soon());
    assert.equal((await readAll(log, topic)).length, 100);
    await eventually(
      () => first(topic),
      (offset) => offset === 100,
    );
    const limits = { maxBytes: 1_000, maxWaitMs: 0 };
    await assert.rejects(log.read(topic, 0, at(0), limits, soon()), (error) =>
      BusError.is(error, 'DUOBUS_POSITION_GONE'),
    );
    assert.equal(await client().xlen(partitionKeys(topic, 0).log), 0);
    assert.deepEqual(await bytes(topic), [0, 0]);
    await log.append(topic, 0, records(['new']), soon());
    assert.deepEqual(
      (await readAll(log, topic)).map((record) => [record.offset, textOf(record)]),
      [[100, 'new']],
    );
  });

  it('drops nothing that is young, though it is slow in coming', async () => {
    const topic = await makeTopic(log, aged(2_000));
    const times: number[] = [];
    const until = Date.now() + 4_000;
    let late = 0;
    while (Date.now() < until) {
      const [outcome] = await log.append(topic, 0, records(['x']), soon());
      assert.ok(outcome?.status === 'stored' && outcome.place !== undefined);
      times.push(outcome.place.time);
      const kept = await readKept(topic);
      const now = Date.now(); // the server's clock too: it runs here
      // what is younger is there
      const young = times.filter((time) => time >= now - 2_000).length;
      assert.ok(kept.length >= young);
      late = Math.max(late, now - 2_000 - (kept[0]?.time ?? now));
    }
    assert.ok(times.length > (await readKept(topic)).length);
    assert.ok(late < 1_000, `kept ${late} ms too long`);
  });

  it('follows an alteration', async () => {
    const topic = await makeTopic(log);
    const text = 'x'.repeat(1_000);
    for (let n = 0; n < 5; n += 1)
      await log.append(topic, 0, records(Array.from({ length: 50 }, () => text)), soon());
    assert.equal(await first(topic), 0);
    const next = { ...topic, ...sized(50_000) };
    await log.alterTopic(topic, next, soon());
    // a process that has not heard of it applies it too
    await log.append(topic, 0, records([text]), soon());
    await eventually(
      () => first(topic),
      (offset) => (offset ?? 0) > 150,
    );
  });

  it('tells a reader that it has been passed', async () => {
    const topic = await makeTopic(log, sized(10_000));
    const text = 'x'.repeat(1_000);
    await log.append(topic, 0, records([text]), soon());
    const slow = await log.join(topic, 'g', crypto.randomUUID(), soon());
    await using _ = { [Symbol.asyncDispose]: () => slow.close() };
    const [assigned] = await slow.receive(soon());
    assert.ok(assigned?.type === 'assigned');
    for (let n = 0; n < 5; n += 1)
      await log.append(topic, 0, records(Array.from({ length: 20 }, () => text)), soon());
    slow.start(0, assigned.token, at(0));
    const [trimmed] = await slow.receive(soon());
    assert.ok(trimmed?.type === 'trimmed');
    assert.equal(trimmed.bounds.end.offset, 101);
    slow.start(0, assigned.token, trimmed.bounds.first);
    const [found] = await slow.receive(soon());
    assert.ok(found?.type === 'records');
    assert.equal(found.records[0]?.offset, trimmed.bounds.first.offset);
  });

  it('tells a reader that is in front of the end', async () => {
    const topic = await makeTopic(log);
    await using consumer = await Consumer.join(log, topic);
    await consumer.untilOwner(1);
    consumer.member.start(0, consumer.owned.get(0) ?? -1, at(5, 1));
    await consumer.until(() => consumer.ofType('trimmed').length === 1, 'trimmed');
  });
});
