import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BusError, type StoredPointer } from '@duobus/core/driver';
import { signal, take, takeUntil } from './support/drivers.ts';
import { logged, pointerAt, started, types } from './support/logged.ts';

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
      await member.release(0, (await takeUntil(member, 'revoking')).token);
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
