import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BusError } from '@duobus/core/driver';
import { record, signal, text } from './support/drivers.ts';
import { at, limits, logged } from './support/logged.ts';

describe('log driver', () => {
  it('keeps what is read, as copies, at the places its confirms name', async () => {
    const { log, topic } = await logged();
    const given = record('1', 'a');
    const [outcome] = await log.append(topic, 0, [given], signal);
    assert.equal(outcome?.status === 'stored' && outcome.place?.offset, 0);
    given.body?.fill(0);
    for (let pass = 0; pass < 2; pass += 1) {
      const result = await log.read(topic, 0, at(0), limits, signal);
      assert.deepEqual(
        result.records.map((found) => [found.offset, text(found), found.key]),
        [[0, '1', 'a']],
      );
      assert.deepEqual([result.next.offset, result.atEnd], [1, true]);
      result.records[0]?.body?.fill(0);
    }
  });

  it('reads about as many bytes as asked for, at least one record', async () => {
    const { log, topic } = await logged();
    await log.append(
      topic,
      0,
      ['1', '2', '3'].map((name) => record(name)),
      signal,
    );
    const result = await log.read(topic, 0, at(0), { maxBytes: 1, maxWaitMs: 0 }, signal);
    assert.deepEqual([result.records.length, result.next.offset, result.atEnd], [1, 1, false]);
  });

  it('waits at the end until something is appended, the time is over or the caller has enough', async () => {
    const { log, topic, clock } = await logged();
    const found = log.read(topic, 0, at(0), { ...limits, maxWaitMs: 1_000 }, signal);
    await log.append(topic, 0, [record('1')], signal);
    assert.deepEqual((await found).records.map(text), ['1']);
    const nothing = log.read(topic, 0, at(1), { ...limits, maxWaitMs: 1_000 }, signal);
    await Promise.resolve();
    clock.advance(1_000);
    assert.deepEqual((await nothing).records, []);
    const controller = new AbortController();
    const aborted = log.read(topic, 0, at(1), { ...limits, maxWaitMs: 1_000 }, controller.signal);
    controller.abort(new Error('enough'));
    await assert.rejects(aborted, /enough/);
    assert.equal(clock.timers, 0);
  });

  it('finds places by append time, never late', async () => {
    const { log, topic, clock } = await logged();
    const times: number[] = [];
    for (const name of ['1', '2', '3']) {
      times.push(clock.now());
      await log.append(topic, 0, [record(name)], signal);
      clock.advance(10);
    }
    const [, second = 0] = times;
    assert.deepEqual(await log.placesAt(topic, second, signal), [{ offset: 1, time: second }]);
    assert.deepEqual(await log.placesAt(topic, second - 1, signal), [{ offset: 1, time: second }]);
    assert.equal((await log.placesAt(topic, clock.now(), signal))[0]?.offset, 3);
  });

  it('drops by age and by bytes, and says that the position is gone', async () => {
    const { log, topic, clock, broker } = await logged(
      {},
      { retention: { maxAgeMs: 1_000, maxBytes: 14 } },
    );
    await log.append(topic, 0, [record('1')], signal);
    clock.advance(1_001);
    await log.append(topic, 0, [record('2')], signal);
    assert.equal((await log.bounds(topic, signal))[0]?.first.offset, 1);
    await log.append(
      topic,
      0,
      ['333', '444', '555'].map((name) => record(name)),
      signal,
    );
    const [bounds] = await log.bounds(topic, signal);
    assert.deepEqual([bounds?.first.offset, bounds?.end.offset], [3, 5]);
    assert.equal(broker.bytes, 14);
    const gone = (error: unknown): boolean => BusError.is(error, 'DUOBUS_POSITION_GONE');
    await assert.rejects(log.read(topic, 0, at(2), limits, signal), gone);
    await assert.rejects(log.read(topic, 0, at(6), limits, signal), gone);
    clock.advance(1_001);
    const [empty] = await log.bounds(topic, signal);
    assert.deepEqual(empty?.first, empty?.end);
  });

  it('keeps the newest record of every key of a compacted topic', async () => {
    const { log, topic, broker } = await logged({}, { compacted: true });
    for (let round = 0; round < 300; round += 1)
      await log.append(topic, 0, [record(`a${round}`, 'a'), record(`b${round}`, 'b')], signal);
    await log.append(topic, 0, [{ key: 'b', headers: {}, body: null }], signal);
    const { records: kept, next } = await log.read(topic, 0, at(0), limits, signal);
    assert.ok(kept.length < 300 && broker.bytes < 3_000);
    const newest = new Map(
      kept.map((found) => [found.key, found.body === null ? null : text(found)]),
    );
    assert.deepEqual(
      [...newest],
      [
        ['a', 'a299'],
        ['b', null],
      ],
    );
    assert.equal(next.offset, 601);
  });

  it('refuses a record without a body where the topic is not compacted', async () => {
    const { log, topic } = await logged();
    const [outcome] = await log.append(topic, 0, [{ key: 'a', headers: {}, body: null }], signal);
    assert.equal(outcome?.status, 'rejected');
    assert.equal((await log.bounds(topic, signal))[0]?.end.offset, 0);
  });

  it('does not take a topic made anew for the old one', async () => {
    const { log, topic, broker } = await logged();
    broker.removeTopic('data', 'orders');
    await log.ensureTopic({ ...topic, incarnation: 'i2' }, 'create', signal);
    await assert.rejects(log.bounds(topic, signal), (error) =>
      BusError.is(error, 'DUOBUS_NOT_FOUND'),
    );
  });
});
