import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BusError } from '@duobus/core/driver';
import type {
  LogEvent,
  LogMember,
  LogRecord,
  Place,
  StoredPointer,
  StoredTopic,
} from '@duobus/core/driver';
import { record, type Setup, setup, signal, take, text, topicRecord } from './support/drivers.ts';

const limits = { maxBytes: 1_000_000, maxWaitMs: 0 };
const at = (offset: number): Place => ({ offset, time: 0 });
const pointerAt = (offset: number, note = ''): StoredPointer => ({ place: at(offset), text: note });

async function logged(
  options: Parameters<typeof setup>[0] = {},
  over: Partial<StoredTopic> = {},
): Promise<Setup & { topic: StoredTopic }> {
  const all = await setup(options);
  const topic = await all.log.ensureTopic(
    topicRecord({ kind: 'data', order: 'key', ...over }),
    'create',
    signal,
  );
  return { ...all, topic };
}

const records = (events: readonly LogEvent[]): LogRecord[] =>
  events.flatMap((event) => (event.type === 'records' ? event.records : []));
const types = (events: readonly LogEvent[]): string[] => events.map(({ type }) => type);

/** Takes what is assigned and starts it at its pointer, or at the beginning. */
async function started(member: LogMember): Promise<Map<number, number>> {
  const tokens = new Map<number, number>();
  for (const event of await take(member)) {
    if (event.type !== 'assigned') continue;
    tokens.set(event.partition, event.token);
    member.start(event.partition, event.token, event.pointer?.place ?? at(0));
  }
  return tokens;
}

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

describe('group member', () => {
  it('reads nothing before start, then what there is and what comes, one fetch at a time', async () => {
    const { log, topic } = await logged();
    await log.append(topic, 0, [record('1')], signal);
    const member = await log.join(topic, 'g', signal);
    const [assigned, ...rest] = await take(member);
    assert.deepEqual(rest, []);
    assert.ok(assigned?.type === 'assigned' && assigned.pointer === undefined);
    member.start(0, assigned.token, at(0));
    await log.append(topic, 0, [record('2')], signal);
    assert.deepEqual(records(await take(member)).map(text), ['1']);
    assert.deepEqual(records(await take(member)).map(text), ['2']);
    member.flow(0, assigned.token, false);
    await log.append(topic, 0, [record('3')], signal);
    assert.deepEqual(await take(member), []);
    member.flow(0, assigned.token, true);
    assert.deepEqual(records(await take(member)).map(text), ['3']);
  });

  it('moves reading at start, leaving nothing of before', async () => {
    const { log, topic } = await logged();
    await log.append(
      topic,
      0,
      ['1', '2', '3'].map((name) => record(name)),
      signal,
    );
    const member = await log.join(topic, 'g', signal);
    const token = (await started(member)).get(0) ?? -1;
    member.start(0, token, at(2));
    assert.deepEqual(records(await take(member)).map(text), ['3']);
    member.start(0, token + 1, at(0));
    assert.deepEqual(await take(member), []);
  });

  it('continues at the pointer that was committed, groups apart', async () => {
    const { log, topic } = await logged();
    await log.append(
      topic,
      0,
      ['1', '2'].map((name) => record(name)),
      signal,
    );
    const [a, b] = [await log.join(topic, 'a', signal), await log.join(topic, 'b', signal)];
    const token = (await started(a)).get(0) ?? -1;
    assert.deepEqual(await a.commit([{ partition: 0, token, pointer: pointerAt(1, 'one') }]), [
      'ok',
    ]);
    await a.close();
    assert.deepEqual(await log.pointers(topic, 'a', signal), [pointerAt(1, 'one')]);
    assert.deepEqual(await log.pointers(topic, 'b', signal), [undefined]);
    assert.deepEqual(await log.names(topic, signal), ['a']);
    const again = await log.join(topic, 'a', signal);
    await started(again);
    assert.deepEqual(records(await take(again)).map(text), ['2']);
    await assert.rejects(log.removeGroup(topic, 'a', signal), (error) =>
      BusError.is(error, 'DUOBUS_CONFLICT'),
    );
    await again.close();
    await log.removeGroup(topic, 'a', signal);
    assert.deepEqual(await log.names(topic, signal), []);
    await b.close();
  });

  it('shares partitions evenly, moves one only after its release, and fences the old owner', async () => {
    const { log, topic } = await logged({}, { partitions: 4 });
    const first = await log.join(topic, 'g', signal);
    const tokens = await started(first);
    const second = await log.join(topic, 'g', signal);
    const asked = await take(first);
    assert.deepEqual(types(asked), ['revoking', 'revoking']);
    assert.deepEqual(await take(second), []);
    for (const event of asked) {
      if (event.type !== 'revoking') continue;
      assert.equal(event.cause, 'rebalance');
      assert.deepEqual(
        await first.commit([
          { partition: event.partition, token: event.token, pointer: pointerAt(0, 'last') },
        ]),
        ['ok'],
      );
      await first.release(event.partition, event.token);
      assert.deepEqual(
        await first.commit([
          { partition: event.partition, token: event.token, pointer: pointerAt(9) },
        ]),
        ['fenced'],
      );
    }
    const given = await take(second);
    assert.deepEqual(types(given), ['assigned', 'assigned']);
    assert.ok(
      given.every(
        (event) =>
          event.type === 'assigned' &&
          event.pointer?.text === 'last' &&
          tokens.get(event.partition) !== event.token,
      ),
    );
    await second.close();
    assert.deepEqual(types(await take(first)), ['assigned', 'assigned']);
  });

  it('takes a partition from an owner that lets the deadline pass', async () => {
    const { log, topic, clock } = await logged({ groupLeaseMs: 3_000 }, { partitions: 2 });
    const first = await log.join(topic, 'g', signal);
    await started(first);
    const second = await log.join(topic, 'g', signal);
    await take(first);
    clock.advance(3_000);
    const [revoked] = await take(first);
    assert.ok(revoked?.type === 'revoked');
    assert.deepEqual(
      await first.commit([
        { partition: revoked.partition, token: revoked.token, pointer: pointerAt(0) },
      ]),
      ['fenced'],
    );
    assert.deepEqual(types(await take(second)), ['assigned']);
  });

  it('assigns new partitions', async () => {
    const { log, topic } = await logged();
    const member = await log.join(topic, 'g', signal);
    await take(member);
    await log.alterTopic(topic, { ...topic, partitions: 2 }, signal);
    const [event] = await take(member);
    assert.ok(event?.type === 'assigned' && event.partition === 1);
    assert.equal((await log.pointers(topic, 'g', signal)).length, 2);
  });

  it('says when retention has passed the reader, and stands until started again', async () => {
    const { log, topic, clock } = await logged(
      {},
      { retention: { maxAgeMs: 1_000, maxBytes: null } },
    );
    await log.append(topic, 0, [record('1'), record('2')], signal);
    const member = await log.join(topic, 'g', signal);
    const [assigned] = await take(member);
    clock.advance(2_000);
    await log.append(topic, 0, [record('3')], signal);
    assert.ok(assigned?.type === 'assigned');
    member.start(0, assigned.token, at(0));
    const [trimmed, ...rest] = await take(member);
    assert.deepEqual(rest, []);
    assert.ok(trimmed?.type === 'trimmed' && trimmed.bounds.first.offset === 2);
    member.start(0, assigned.token, trimmed.bounds.first);
    assert.deepEqual(records(await take(member)).map(text), ['3']);
  });

  it('ends with gone when its topic is removed, and with lost when it is cut', async () => {
    const { log, topic, broker } = await logged();
    const [a, b] = [await log.join(topic, 'a', signal), await log.join(topic, 'b', signal)];
    const tokens = await started(a);
    broker.cutMembers('orders', 'a');
    assert.deepEqual(types(await take(a)), ['lost']);
    await assert.rejects(
      a.commit([{ partition: 0, token: tokens.get(0) ?? -1, pointer: pointerAt(0) }]),
      (error) => BusError.is(error, 'DUOBUS_UNAVAILABLE'),
    );
    await take(b);
    broker.removeTopic('data', 'orders');
    assert.deepEqual(types(await take(b)), ['gone']);
  });
});

describe('edit', () => {
  it('writes pointers of a group that does not run', async () => {
    const { log, topic } = await logged({}, { partitions: 2 });
    const result = await log.edit(
      topic,
      'g',
      (partition) => (partition === 1 ? pointerAt(7, 'x') : undefined),
      1_000,
      signal,
    );
    assert.deepEqual(result, { superseded: false });
    assert.deepEqual(await log.pointers(topic, 'g', signal), [undefined, pointerAt(7, 'x')]);
  });

  it('waits for the owners to commit and release, then assigns anew', async () => {
    const { log, topic } = await logged();
    const member = await log.join(topic, 'g', signal);
    const token = (await started(member)).get(0) ?? -1;
    const seen: (StoredPointer | undefined)[] = [];
    const edited = log.edit(
      topic,
      'g',
      (_, stored) => (seen.push(stored), pointerAt(0, 'new')),
      1_000,
      signal,
    );
    const [asked] = await take(member);
    assert.ok(asked?.type === 'revoking' && asked.cause === 'reset');
    assert.deepEqual(await member.commit([{ partition: 0, token, pointer: pointerAt(0, 'old') }]), [
      'ok',
    ]);
    await member.release(0, token);
    await edited;
    assert.deepEqual(seen, [pointerAt(0, 'old')]);
    const [assigned] = await take(member);
    assert.ok(
      assigned?.type === 'assigned' && assigned.pointer?.text === 'new' && assigned.token !== token,
    );
    assert.deepEqual(
      await member.commit([{ partition: 0, token, pointer: pointerAt(5, 'late') }]),
      ['fenced'],
    );
  });

  it('evicts an owner that is silent for the grace time', async () => {
    const { log, topic, clock } = await logged();
    const member = await log.join(topic, 'g', signal);
    const token = (await started(member)).get(0) ?? -1;
    const edited = log.edit(topic, 'g', () => pointerAt(0, 'new'), 1_000, signal);
    await take(member);
    clock.advance(1_000);
    await edited;
    assert.deepEqual(types(await take(member)), ['revoked', 'assigned']);
    assert.deepEqual(await member.commit([{ partition: 0, token, pointer: pointerAt(5) }]), [
      'fenced',
    ]);
  });

  it('changes nothing when the change is refused or the caller gives up', async () => {
    const { log, topic } = await logged({}, { partitions: 2 });
    const refuse = (partition: number): StoredPointer => {
      if (partition === 1) throw new BusError('DUOBUS_INVALID', 'no');
      return pointerAt(3);
    };
    await assert.rejects(log.edit(topic, 'g', refuse, 1_000, signal), (error) =>
      BusError.is(error, 'DUOBUS_INVALID'),
    );
    const member = await log.join(topic, 'g', signal);
    const tokens = await started(member);
    const controller = new AbortController();
    const edited = log.edit(topic, 'g', () => pointerAt(3), 60_000, controller.signal);
    await take(member);
    controller.abort(new Error('enough'));
    await assert.rejects(edited, /enough/);
    for (const [partition, token] of tokens) await member.release(partition, token);
    assert.deepEqual(types(await take(member)), ['assigned', 'assigned']);
    assert.deepEqual(await log.pointers(topic, 'g', signal), [undefined, undefined]);
  });

  it('serialises edits and tells the earlier ones that they are superseded', async () => {
    const { log, topic } = await logged();
    const member = await log.join(topic, 'g', signal);
    await started(member);
    const order: string[] = [];
    const edits = ['a', 'b', 'c'].map((name) =>
      log.edit(topic, 'g', () => (order.push(name), pointerAt(0, name)), 1_000, signal),
    );
    for (let round = 0; round < edits.length; round += 1) {
      const revoking = (await take(member)).find(({ type }) => type === 'revoking');
      assert.ok(revoking?.type === 'revoking');
      await member.release(0, revoking.token);
    }
    assert.deepEqual(await Promise.all(edits), [
      { superseded: true },
      { superseded: true },
      { superseded: false },
    ]);
    assert.deepEqual(order, ['a', 'b', 'c']);
    assert.equal((await log.pointers(topic, 'g', signal))[0]?.text, 'c');
  });
});
