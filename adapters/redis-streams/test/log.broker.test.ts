import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { BusError, type StoredTopic } from '@duobus/core/driver';
import { appendedChannel, partitionKeys } from '../src/keys.ts';
import { soon } from './support/connection.ts';
import {
  at,
  eventually,
  type Log,
  makeTopic,
  numbered,
  openLog,
  readAll,
  record,
  records,
  statuses,
  textOf,
  textsOf,
  wantedTopic,
} from './support/log.ts';

const limits = { maxBytes: 1_000_000, maxWaitMs: 0 };

describe('log of Redis', () => {
  let log: Log;

  before(async () => void (log = await openLog()));
  after(() => log.close());

  const client = () => {
    const { commands } = log.native;
    assert.ok(commands);
    return commands;
  };
  const foreign = (topic: StoredTopic, ...fields: string[]) =>
    client().xadd(partitionKeys(topic, 0).log, '*', ...fields);
  const bounds = async (topic: StoredTopic) => {
    const [first] = await log.bounds(topic, soon());
    assert.ok(first);
    return [first.first.offset, first.end.offset];
  };
  const gone = (error: unknown) => BusError.is(error, 'DUOBUS_POSITION_GONE');

  it('gives places that are dense and whose time never goes back', async () => {
    const topic = await makeTopic(log);
    // the server knows the script after that: where it does not, calls under way may overtake each other, and are refused
    const first = await log.append(topic, 0, records(numbered(0, 10)), soon());
    const others = await Promise.all(
      [10, 20].map((from) => log.append(topic, 0, records(numbered(from, 10)), soon())),
    );
    const places = [first, ...others]
      .flat()
      .map((outcome) => (outcome.status === 'stored' ? outcome.place : undefined));
    assert.deepEqual(
      places.map((place) => place?.offset),
      numbered(0, 30).map(Number),
    );
    const times = places.map((place) => place?.time ?? 0);
    assert.deepEqual(
      times.toSorted((a, b) => a - b),
      times,
    );
    const read = await readAll(log, topic);
    assert.deepEqual(read.map(textOf), numbered(0, 30));
    assert.deepEqual(
      read.map(({ offset, time }) => ({ offset, time })),
      places,
    );
  });

  it('does not go back with the clock of the server', async () => {
    const topic = await makeTopic(log);
    const { meta } = partitionKeys(topic, 0);
    const future = Date.now() + 86_400_000;
    await client().hset(meta, 'ms', future);
    await log.append(topic, 0, records(['a']), soon());
    const [first] = await readAll(log, topic);
    assert.equal(first?.time, future);
  });

  it('keeps bytes, keys, headers and removals as they are', async () => {
    const topic = await makeTopic(log, { compacted: true });
    const body = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const given = [
      { key: 'k\u00e9y', headers: { 'content-type': 'x/y', a: '\u00fc' }, body },
      { key: undefined, headers: {}, body: new Uint8Array(0) },
      { key: 'gone', headers: {}, body: null },
    ];
    await log.append(topic, 0, given, soon());
    const read = await readAll(log, topic);
    assert.deepEqual(
      read.map(({ key, headers, body: bytes }) => ({
        key,
        headers: { ...headers },
        body: bytes === null ? null : new Uint8Array(bytes),
      })),
      given.map(({ body: bytes, ...rest }) => ({
        ...rest,
        body: bytes === null ? null : new Uint8Array(bytes),
      })),
    );
  });

  it('stores the same array once, and tells the places again', async () => {
    const topic = await makeTopic(log);
    const batch = records(['a', 'b']);
    const first = await log.append(topic, 0, batch, soon());
    await log.append(topic, 0, records(['c']), soon());
    assert.deepEqual(await log.append(topic, 0, batch, soon()), first);
    assert.deepEqual(await textsOf(log, topic), ['a', 'b', 'c']);
  });

  it('does not store a call whose predecessor has not arrived', async () => {
    const topic = await makeTopic(log);
    await log.append(topic, 0, records(['a']), soon());
    const { publishers } = partitionKeys(topic, 0);
    const [publisher = ''] = await client().hkeys(publishers);
    // as if two calls of this publisher had been lost on the way
    await client().hset(publishers, publisher, '0:0:0');
    const [refused] = await log.append(topic, 0, records(['b']), soon());
    assert.equal(refused?.status, 'rejected');
    assert.equal(refused.error.retryable, true);
    assert.deepEqual(statuses(await log.append(topic, 0, records(['b']), soon())), ['stored']);
    assert.deepEqual(await textsOf(log, topic), ['a', 'b']);
  });

  it('forgets publishers that have not been heard of for long', async () => {
    const topic = await makeTopic(log);
    const { publishers } = partitionKeys(topic, 0);
    const old = Object.fromEntries(numbered(0, 100).map((name) => [`old-${name}`, '1:1000:0']));
    await client().hset(publishers, old);
    await log.append(topic, 0, records(['a']), soon());
    assert.equal(await client().hlen(publishers), 1);
  });

  it('finds a place by its offset alone', async () => {
    const topic = await makeTopic(log);
    for (const n of [0, 3, 6]) {
      await log.append(topic, 0, records(numbered(n, 3)), soon());
      const [first] = (await readAll(log, topic)).slice(-1);
      await eventually(
        async () => Number((await client().time())[0]) * 1_000,
        () => Date.now() > (first?.time ?? 0),
      );
    }
    for (const offset of [0, 1, 2, 3, 5, 8]) {
      const { records: found } = await log.read(topic, 0, at(offset), limits, soon());
      assert.deepEqual(found.map(textOf), numbered(offset, 9 - offset));
    }
    const end = await log.read(topic, 0, at(9), limits, soon());
    assert.deepEqual([end.records.length, end.atEnd, end.next.offset], [0, true, 9]);
  });

  it('refuses places below the first record and beyond the end', async () => {
    const topic = await makeTopic(log);
    await log.append(topic, 0, records(['a']), soon());
    await assert.rejects(log.read(topic, 0, at(2), limits, soon()), gone);
    await client().xtrim(partitionKeys(topic, 0).log, 'MAXLEN', 0);
    await assert.rejects(log.read(topic, 0, at(0), limits, soon()), gone);
    assert.deepEqual(await bounds(topic), [1, 1]);
  });

  it('finds the first record of a time, and the end for a later one', async () => {
    const topic = await makeTopic(log);
    await log.append(topic, 0, records(['a']), soon());
    const [first] = await readAll(log, topic);
    assert.ok(first);
    const later = await eventually(
      async () => {
        const [outcome] = await log.append(topic, 0, records(['b']), soon());
        return outcome?.status === 'stored' ? outcome.place : undefined;
      },
      (place) => (place?.time ?? 0) > first.time,
    );
    assert.ok(later);
    const find = async (ms: number) => (await log.placesAt(topic, ms, soon()))[0];
    assert.deepEqual(await find(0), at(0, first.time));
    assert.deepEqual(await find(first.time), at(0, first.time));
    assert.deepEqual(await find(later.time), later);
    assert.deepEqual(await find(later.time + 0.5), { offset: later.offset + 1, time: later.time });
    assert.deepEqual(await find(Number.MAX_SAFE_INTEGER), {
      offset: later.offset + 1,
      time: later.time,
    });
  });

  it('waits at the end until something is appended', async () => {
    const topic = await makeTopic(log);
    const waiting = log.read(topic, 0, at(0), { maxBytes: 1_000, maxWaitMs: 10_000 }, soon());
    await eventually(
      () => client().pubsub('NUMSUB', appendedChannel(topic)),
      ([, count]) => Number(count) > 0,
    ).catch(() => undefined); // another node of a cluster may have it
    await log.append(topic, 0, records(['a']), soon());
    assert.deepEqual((await waiting).records.map(textOf), ['a']);
  });

  it('reads about as many bytes as it is asked for', async () => {
    const topic = await makeTopic(log);
    const body = 'x'.repeat(10_000);
    for (let n = 0; n < 4; n += 1)
      await log.append(topic, 0, records(Array.from({ length: 50 }, () => body)), soon());
    const sizes: number[] = [];
    for (let place = at(0), atEnd = false; !atEnd; ) {
      const limit = { maxBytes: 100_000, maxWaitMs: 0 };
      const found = await log.read(topic, 0, place, limit, soon());
      sizes.push(found.records.length);
      ({ next: place, atEnd } = found);
    }
    assert.ok(sizes.slice(1).every((size) => size <= 10));
    assert.equal(
      sizes.reduce((sum, size) => sum + size),
      200,
    );
  });

  it('creates no topic by appending, and sees one that was made anew', async () => {
    const never = wantedTopic();
    const [outcome] = await log.append(never, 0, records(['a']), soon());
    assert.ok(outcome?.status === 'rejected' && outcome.error.code === 'DUOBUS_NOT_FOUND');

    const topic = await makeTopic(log);
    await log.append(topic, 0, records(['a']), soon());
    await client().hdel('{duobus}:topics', `data:${topic.name}`);
    await client().del(...(Object.values(partitionKeys(topic, 0)) as string[]));
    const again = await makeTopic(log, { name: topic.name });
    assert.notEqual(again.incarnation, topic.incarnation);
    assert.deepEqual(await textsOf(log, again), []);
    const [late] = await log.append(topic, 0, records(['b']), soon());
    assert.ok(late?.status === 'rejected' && late.error.code === 'DUOBUS_NOT_FOUND');
    await assert.rejects(log.bounds(topic, soon()), (error) =>
      BusError.is(error, 'DUOBUS_NOT_FOUND'),
    );
  });

  it('keeps the records, and the groups, of a topic whose record alone was lost', async () => {
    const topic = await makeTopic(log, { partitions: 3 });
    await log.append(topic, 2, records(['a']), soon());
    await log.edit(topic, 'g', () => ({ place: at(0), text: 'x' }), 1_000, soon());
    await client().hdel('{duobus}:topics', `data:${topic.name}`);
    const racing = await Promise.all(
      [1, 2, 2].map((partitions) => makeTopic(log, { name: topic.name, partitions })),
    );
    for (const again of racing) {
      assert.equal(again.incarnation, topic.incarnation);
      assert.equal(again.partitions, 3);
    }
    const { records: found } = await log.read(
      topic,
      2,
      at(0),
      { maxBytes: 1_000, maxWaitMs: 0 },
      soon(),
    );
    assert.deepEqual(found.map(textOf), ['a']);
    assert.deepEqual(await log.names(topic, soon()), ['g']);
  });

  it('makes nothing where it is only to check', async () => {
    const wanted = wantedTopic();
    const notFound = (error: unknown) => BusError.is(error, 'DUOBUS_NOT_FOUND');
    await assert.rejects(log.ensureTopic(wanted, 'check', soon()), notFound);
    // as a process leaves it that dies in the middle
    await client().hset('{duobus}:topics', `data:${wanted.name}`, JSON.stringify(wanted));
    assert.deepEqual(await log.ensureTopic(wanted, 'check', soon()), wanted);
    assert.equal(await client().exists(partitionKeys(wanted, 0).meta), 0);
    await assert.rejects(log.bounds(wanted, soon()), notFound);
    await log.ensureTopic(wanted, 'create', soon());
    assert.deepEqual(await bounds(wanted), [0, 0]);
  });

  describe('entries of others', () => {
    it('become records with a place at the end, and hurt no other', async () => {
      const topic = await makeTopic(log);
      await log.append(topic, 0, records(['a', 'b']), soon());
      await foreign(topic, 'field', 'value');
      await log.append(topic, 0, records(['c']), soon());
      await foreign(topic, 'event', '{"id":"1"}', 'key', 'k');
      await readAll(log, topic);
      const all = await readAll(log, topic);
      assert.deepEqual(
        all.map(({ offset }) => offset),
        [0, 1, 2, 3, 4],
      );
      assert.deepEqual(all.slice(0, 3).map(textOf), ['a', 'b', 'c']);
      assert.equal(all[3]?.body, null);
      assert.equal(all[3].headers['field'], 'value');
      assert.deepEqual([all[4]?.key, textOf(all[4] ?? { body: null })], ['k', '{"id":"1"}']);
      assert.deepEqual(await bounds(topic), [0, 5]);
    });

    it('may have ids far in the future, or the next of ours', async () => {
      const topic = await makeTopic(log);
      await log.append(topic, 0, records(['a']), soon());
      const [first] = await readAll(log, topic);
      const { log: stream } = partitionKeys(topic, 0);
      await client().xadd(stream, `${first?.time}-1`, 'x', 'y');
      await client().xadd(stream, `${Date.now() + 3_600_000}-7`, 'x', 'y');
      assert.deepEqual(statuses(await log.append(topic, 0, records(['b']), soon())), ['stored']);
      await readAll(log, topic);
      const all = await readAll(log, topic);
      assert.deepEqual(
        all.map(({ offset }) => offset),
        [0, 1, 2, 3],
      );
      assert.deepEqual(
        [all[0], all[1]].map((found) => textOf(found ?? { body: null })),
        ['a', 'b'],
      );
    });

    it('that are removed count as lost', async () => {
      const topic = await makeTopic(log);
      await log.append(topic, 0, records(numbered(0, 10)), soon());
      await client().xtrim(partitionKeys(topic, 0).log, 'MAXLEN', 4);
      assert.deepEqual(await bounds(topic), [6, 10]);
      await assert.rejects(log.read(topic, 0, at(3), limits, soon()), gone);
      await log.append(topic, 0, records(['10']), soon());
      assert.deepEqual(await textsOf(log, topic), numbered(6, 5));
    });
  });

  describe('a compacted topic', () => {
    it('keeps the newest record of every key, and forgets removed keys after a day', async () => {
      const topic = await makeTopic(log, { compacted: true });
      const keys = partitionKeys(topic, 0);
      for (let n = 0; n < 50; n += 1)
        await log.append(topic, 0, [record(`a${n}`, 'a'), record(`b${n}`, 'b')], soon());
      assert.deepEqual(await textsOf(log, topic), ['a49', 'b49']);
      await log.append(topic, 0, [{ key: 'a', headers: {}, body: null }], soon());
      const found = await readAll(log, topic);
      assert.deepEqual(
        found.map(({ key, body }) => [key, body === null]),
        [
          ['b', false],
          ['a', true],
        ],
      );
      const { records: fromStart } = await log.read(topic, 0, at(0), limits, soon());
      assert.equal(fromStart.length, 2);

      // a day later
      const [id] = (await client().xrevrange(keys.log, '+', '-', 'COUNT', 1))[0] ?? [''];
      const dayOld = `${Date.now() - 86_400_001}-${id.split('-')[1]}`;
      await client().lset(keys.removals, 0, `${dayOld} a`);
      await client().hset(keys.newest, 'a', `${dayOld}:3`);
      await log.append(topic, 0, [record('c', 'c')], soon());
      assert.deepEqual((await client().hkeys(keys.newest)).toSorted(), ['b', 'c']);
      assert.equal(await client().llen(keys.removals), 0);
    });
  });
});
