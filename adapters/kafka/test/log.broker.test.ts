import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { BusError, type LogDriver, type Outcome, type StoredTopic } from '@duobus/core/driver';
import { at, makeTopic, numbered, openDriver, records, soon, textOf } from './support/driver.ts';

const offsets = (outcomes: readonly Outcome[]): (number | undefined)[] =>
  outcomes.map((outcome) => (outcome.status === 'stored' ? outcome.place?.offset : undefined));

describe('the log on Kafka', () => {
  let driver: LogDriver;
  let topic: StoredTopic;

  before(async () => {
    driver = await openDriver();
    topic = await makeTopic(driver);
  });
  after(() => driver.close());

  it('appends in order and tells the place and the append time of every record', async () => {
    const began = Date.now();
    const first = await driver.append(topic, 0, records(['a', 'b']), soon());
    const second = await driver.append(topic, 0, records(['c']), soon());
    assert.deepEqual(offsets([...first, ...second]), [0, 1, 2]);
    for (const outcome of first) {
      assert.ok(
        outcome.status === 'stored' &&
          outcome.place !== undefined &&
          Math.abs(outcome.place.time - began) < 60_000,
      );
    }
  });

  it('reads back key, headers, body and append time', async () => {
    const [, , third] = (
      await driver.read(topic, 0, at(0), { maxBytes: 100_000, maxWaitMs: 0 }, soon())
    ).records;
    assert.ok(third !== undefined && third.body !== null);
    assert.equal(third.key, 'key-c');
    assert.equal(String(third.headers['ce_id']), 'c');
    assert.equal(textOf(third), 'c');
    assert.ok(third.time > 0);
  });

  it('reads from a place in the middle of a batch, and to the end', async () => {
    const result = await driver.read(topic, 0, at(1), { maxBytes: 100_000, maxWaitMs: 0 }, soon());
    assert.deepEqual(result.records.map(textOf), ['b', 'c']);
    assert.equal(result.next.offset, 3);
    assert.equal(result.atEnd, true);
  });

  it('hands out a record that is larger than asked for', async () => {
    const own = await makeTopic(driver, { partitions: 1 });
    const body = Buffer.alloc(300_000, 'x');
    await driver.append(
      own,
      0,
      [{ key: undefined, headers: {}, body }, ...records(['after'])],
      soon(),
    );
    const result = await driver.read(own, 0, at(0), { maxBytes: 10, maxWaitMs: 0 }, soon());
    assert.equal(result.records[0]?.body?.length, 300_000);
  });

  it('waits at the end for the next record', async () => {
    const own = await makeTopic(driver, { partitions: 1 });
    const reading = driver.read(own, 0, at(0), { maxBytes: 1_000, maxWaitMs: 15_000 }, soon());
    await driver.read(own, 0, at(0), { maxBytes: 1_000, maxWaitMs: 0 }, soon());
    await driver.append(own, 0, records(['late']), soon());
    assert.deepEqual((await reading).records.map(textOf), ['late']);
  });

  it('ends a waiting read soon after its signal is aborted, with the reason', async () => {
    const abort = new AbortController();
    const reason = new Error('enough');
    const reading = driver.read(
      topic,
      1,
      at(0),
      { maxBytes: 1_000, maxWaitMs: 30_000 },
      abort.signal,
    );
    await driver.bounds(topic, soon());
    const began = Date.now();
    abort.abort(reason);
    await assert.rejects(reading, (error) => error === reason);
    assert.ok(Date.now() - began < 1_000);
  });

  it('does not let a waiting read hold up others', async () => {
    const abort = new AbortController();
    const waiting = [0, 1, 2].map(() =>
      driver
        .read(topic, 1, at(0), { maxBytes: 1_000, maxWaitMs: 20_000 }, abort.signal)
        .catch((error: unknown) => error),
    );
    const began = Date.now();
    await driver.read(topic, 0, at(0), { maxBytes: 1_000, maxWaitMs: 0 }, soon());
    await driver.append(topic, 0, records(['meanwhile']), soon());
    await driver.bounds(topic, soon());
    assert.ok(Date.now() - began < 5_000);
    abort.abort(new Error('over'));
    await Promise.all(waiting);
  });

  it('throws DUOBUS_POSITION_GONE beyond the end and for what is no offset', async () => {
    for (const offset of [1_000_000, -1, 1.5, Number.NaN]) {
      await assert.rejects(
        driver.read(topic, 0, at(offset), { maxBytes: 1_000, maxWaitMs: 0 }, soon()),
        (error) => BusError.is(error, 'DUOBUS_POSITION_GONE'),
      );
    }
  });

  it('tells first and end of every partition', async () => {
    const own = await makeTopic(driver, { partitions: 3 });
    await driver.append(own, 1, records(['x', 'y']), soon());
    const bounds = await driver.bounds(own, soon());
    assert.deepEqual(
      bounds.map(({ first, end }) => [first.offset, end.offset]),
      [
        [0, 0],
        [0, 2],
        [0, 0],
      ],
    );
  });

  it('finds places by append time: never late, the end for the future', async () => {
    const own = await makeTopic(driver, { partitions: 1 });
    await driver.append(own, 0, records(['x']), soon());
    const [outcome] = await driver.append(own, 0, records(['y']), soon());
    assert.ok(outcome?.status === 'stored' && outcome.place !== undefined);
    const [found] = await driver.placesAt(own, outcome.place.time, soon());
    assert.ok(found !== undefined && found.offset <= outcome.place.offset);
    const [future] = await driver.placesAt(own, Date.now() + 3_600_000, soon());
    assert.equal(future?.offset, 2);
    const [past] = await driver.placesAt(own, 0.5, soon());
    assert.equal(past?.offset, 0);
    await assert.rejects(driver.placesAt(own, Number.NaN, soon()), TypeError);
  });

  it('stores a batch once when the same array is given again after its answer was missed', async () => {
    const own = await makeTopic(driver, { partitions: 1 });
    let missed = 0;
    for (let round = 0; round < 200 && missed < 3; round += 1) {
      const batch = records(numbered(round * 50, 50));
      const abort = new AbortController();
      const given = driver.append(own, 0, batch, abort.signal).catch(() => []);
      // somewhere between before the request is written and after the answer is there
      for (let turn = 0; turn < round % 8; turn += 1)
        await new Promise((resolve) => setImmediate(resolve));
      abort.abort(new Error('no patience'));
      const outcomes = await given;
      if (outcomes.length > 0 && outcomes.every(({ status }) => status === 'unknown')) missed += 1;
      if (outcomes.every(({ status }) => status === 'stored') && outcomes.length > 0) continue;
      const again = await driver.append(own, 0, batch, soon());
      assert.ok(again.every(({ status }) => status === 'stored'));
    }
    assert.equal(missed, 3, 'no answer was missed');
    const [bounds] = await driver.bounds(own, soon());
    const all = [];
    for (let offset = 0; offset < (bounds?.end.offset ?? 0); ) {
      const result = await driver.read(
        own,
        0,
        at(offset),
        { maxBytes: 1_000_000, maxWaitMs: 0 },
        soon(),
      );
      all.push(...result.records.map(textOf));
      offset = result.next.offset;
    }
    assert.deepEqual(all, numbered(0, all.length));
  });

  it('takes other records after an unknown outcome was given up', async () => {
    const own = await makeTopic(driver, { partitions: 1 });
    const abort = new AbortController();
    const given = driver.append(own, 0, records(['given up']), abort.signal);
    abort.abort(new Error('no patience'));
    await given.catch(() => undefined); // its outcome is what is given up
    for (const text of ['x', 'y', 'z']) {
      const [outcome] = await driver.append(own, 0, records([text]), soon());
      assert.equal(outcome?.status, 'stored');
    }
    const { records: all } = await driver.read(
      own,
      0,
      at(0),
      { maxBytes: 1_000_000, maxWaitMs: 0 },
      soon(),
    );
    assert.deepEqual(
      all.map(textOf).filter((text) => text !== 'given up'),
      ['x', 'y', 'z'],
    );
  });

  it('refuses a call that overlaps another of its partition, so that nothing is said to be stored that is not', async () => {
    const own = await makeTopic(driver);
    const calls = ['a', 'b', 'c'].map((body) => driver.append(own, 0, records([body]), soon()));
    const outcomes = (await Promise.all(calls)).flat();
    assert.deepEqual(
      outcomes.map((outcome) => (outcome.status === 'stored' ? 'stored' : outcome.error.code)),
      ['stored', 'DUOBUS_BUG', 'DUOBUS_BUG'],
    );
    const [bounds] = await driver.bounds(own, soon());
    assert.equal(bounds?.end.offset, 1);
  });

  it('refuses a record that is too large by itself and stores the others of its batch in order', async () => {
    const own = await makeTopic(driver, { partitions: 1 });
    const huge = { key: undefined, headers: {}, body: Buffer.alloc(1_200_000) };
    const outcomes = await driver.append(
      own,
      0,
      [...records(['a', 'b']), huge, ...records(['c'])],
      soon(),
    );
    assert.deepEqual(offsets(outcomes), [0, 1, undefined, 2]);
    const [, , refused] = outcomes;
    assert.ok(
      refused?.status === 'rejected' &&
        refused.error.code === 'DUOBUS_TOO_LARGE' &&
        refused.error.message.includes('max.message.bytes'),
    );
    const { records: all } = await driver.read(
      own,
      0,
      at(0),
      { maxBytes: 1_000_000, maxWaitMs: 0 },
      soon(),
    );
    assert.deepEqual(all.map(textOf), ['a', 'b', 'c']);
  });

  it('keeps tombstones and the newest record of a key in a compacted topic', async () => {
    const own = await makeTopic(driver, { partitions: 1, compacted: true });
    await driver.append(
      own,
      0,
      [
        { key: 'k', headers: {}, body: Buffer.from('v') },
        { key: 'k', headers: {}, body: null },
      ],
      soon(),
    );
    const { records: all } = await driver.read(
      own,
      0,
      at(0),
      { maxBytes: 1_000_000, maxWaitMs: 0 },
      soon(),
    );
    assert.deepEqual(
      all.map(({ key, body }) => [key, body === null]),
      [
        ['k', false],
        ['k', true],
      ],
    );
  });

  it('rejects for good what is published to a topic that was never made', async () => {
    const ghost = { ...topic, name: `ghost-${topic.name}`, incarnation: 'nobody' };
    await assert.rejects(driver.append(ghost, 0, records(['x']), soon()), (error) =>
      BusError.is(error, 'DUOBUS_NOT_FOUND'),
    );
    const [outcome] = await driver.append(topic, 99, records(['x']), soon());
    assert.ok(outcome?.status === 'rejected' && outcome.error.code === 'DUOBUS_NOT_FOUND');
  });

  it('throws DUOBUS_CLOSED after close', async () => {
    const own = await openDriver();
    const member = await own.join(topic, 'closed', crypto.randomUUID(), soon());
    await own.close();
    await own.close();
    const closed = (error: unknown): boolean => BusError.is(error, 'DUOBUS_CLOSED');
    await assert.rejects(own.append(topic, 0, records(['x']), soon()), closed);
    await assert.rejects(own.bounds(topic, soon()), closed);
    await assert.rejects(own.open(soon()), closed);
    await assert.rejects(member.receive(soon()), closed);
    await assert.rejects(member.commit([]), closed);
  });
});
