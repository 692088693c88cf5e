import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BusError } from '@duobus/core/driver';
import { record, signal, take, text } from './support/drivers.ts';
import { at, logged, pointerAt, records, started, types } from './support/logged.ts';

describe('group member', () => {
  it('reads nothing before start, then what there is and what comes, one fetch at a time', async () => {
    const { log, topic } = await logged();
    await log.append(topic, 0, [record('1')], signal);
    const member = await log.join(topic, 'g', 'a', signal);
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
    const member = await log.join(topic, 'g', 'a', signal);
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
    const [a, b] = [
      await log.join(topic, 'a', 'x', signal),
      await log.join(topic, 'b', 'x', signal),
    ];
    const token = (await started(a)).get(0) ?? -1;
    assert.deepEqual(await a.commit([{ partition: 0, token, pointer: pointerAt(1, 'one') }]), [
      'ok',
    ]);
    await a.close();
    assert.deepEqual(await log.pointers(topic, 'a', signal), [pointerAt(1, 'one')]);
    assert.deepEqual(await log.pointers(topic, 'b', signal), [undefined]);
    assert.deepEqual(await log.names(topic, signal), ['a']);
    const again = await log.join(topic, 'a', 'y', signal);
    await started(again);
    assert.deepEqual(records(await take(again)).map(text), ['2']);
    await again.close();
    await log.removeGroup(topic, 'a', signal);
    assert.deepEqual(await log.names(topic, signal), []);
    await b.close();
  });

  it('keeps pointers of at most 3 KiB', async () => {
    const { log, topic } = await logged();
    const member = await log.join(topic, 'g', 'a', signal);
    const token = (await started(member)).get(0) ?? -1;
    const pointer = pointerAt(1, 'x'.repeat(3_073));
    await assert.rejects(member.commit([{ partition: 0, token, pointer }]), (error) =>
      BusError.is(error, 'DUOBUS_BUG'),
    );
  });

  it('is given new partitions', async () => {
    const { log, topic } = await logged();
    const member = await log.join(topic, 'g', 'a', signal);
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
    const member = await log.join(topic, 'g', 'a', signal);
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
    const [a, b] = [
      await log.join(topic, 'a', 'x', signal),
      await log.join(topic, 'b', 'x', signal),
    ];
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

  it('leaves what it owned to others at once when it is cut', async () => {
    const { log, topic, broker } = await logged();
    const cut = await log.join(topic, 'g', 'a', signal);
    await started(cut);
    broker.cutMembers('orders', 'g');
    const heir = await log.join(topic, 'g', 'b', signal);
    assert.deepEqual(types(await take(heir)), ['assigned']);
  });
});
