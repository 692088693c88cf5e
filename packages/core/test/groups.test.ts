import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BusError } from '../src/errors.ts';
import type { Groups, LogEvent, LogMember, StoredPointer } from '../src/driver.ts';
import { manualClock, type ManualClock } from '../src/testing/manual-clock.ts';
import { ModelCells } from './support/model-cells.ts';
import { groupsOf, leaseMs, signal, topic } from './support/model-groups.ts';

const at = (offset: number, text = ''): StoredPointer => ({ place: { offset, time: 0 }, text });

interface World {
  readonly clock: ManualClock;
  readonly cells: ModelCells;
  readonly groups: Groups;
  partitions: number;
  /** A process that can be frozen and killed. */
  mortal(): { readonly groups: Groups; kill(): void };
}

function world(partitions = 4): World {
  const clock = manualClock(1_000_000);
  const cells = new ModelCells(clock);
  const made: World = {
    clock,
    cells,
    partitions,
    groups: groupsOf(clock, cells, () => made.partitions),
    mortal() {
      let dead = false;
      const process = { frozen: () => Promise.resolve(), dead: () => dead };
      const groups = groupsOf(clock, cells, () => made.partitions, process);
      return { groups, kill: () => (dead = true) };
    },
  };
  return made;
}

/** Everything a member is told while time stands still. */
async function told(clock: ManualClock, member: LogMember): Promise<readonly LogEvent[]> {
  const events: LogEvent[] = [];
  const stop = new AbortController();
  const receiving = (async () => {
    for (;;) events.push(...(await member.receive(stop.signal)));
  })();
  await clock.advance(1);
  await clock.settle();
  stop.abort(new BusError('DUOBUS_TIMEOUT', 'enough'));
  await receiving.catch((error: unknown) => {
    if (!stop.signal.aborted || error !== stop.signal.reason) throw error;
  });
  return events;
}

const types = (events: readonly LogEvent[]): readonly string[] => events.map(({ type }) => type);
const partitionsOf = (events: readonly LogEvent[], type: LogEvent['type']): readonly number[] =>
  events.flatMap((event) => (event.type === type && 'partition' in event ? [event.partition] : []));

async function tokensOf(clock: ManualClock, member: LogMember): Promise<Map<number, number>> {
  const tokens = new Map<number, number>();
  for (const event of await told(clock, member))
    if (event.type === 'assigned') tokens.set(event.partition, event.token);
  return tokens;
}

describe('groups over cells: shares', () => {
  it('gives everything to the first, and half to the second once the first has let go', async () => {
    const { clock, groups } = world();
    const first = await groups.join(topic, 'g', 'a', signal);
    const tokens = await tokensOf(clock, first);
    assert.deepEqual([...tokens.keys()], [0, 1, 2, 3]);
    const second = await groups.join(topic, 'g', 'b', signal);
    const asked = await told(clock, first);
    assert.deepEqual(partitionsOf(asked, 'revoking'), [2, 3]);
    assert.deepEqual(await told(clock, second), []);
    for (const partition of [2, 3]) {
      const token = tokens.get(partition) ?? -1;
      const write = { partition, token, pointer: at(7, 'last') };
      assert.deepEqual(await first.commit([write]), ['ok']);
      await first.release(partition, token);
      assert.deepEqual(await first.commit([write]), ['fenced']);
    }
    const given = await told(clock, second);
    assert.deepEqual(partitionsOf(given, 'assigned'), [2, 3]);
    for (const event of given) {
      assert.ok(event.type === 'assigned' && event.pointer?.text === 'last');
      assert.notEqual(event.token, tokens.get(event.partition));
    }
    await second.close();
    assert.deepEqual(partitionsOf(await told(clock, first), 'assigned'), [2, 3]);
    await first.close();
    assert.deepEqual(await groups.pointers(topic, 'g', signal), [
      undefined,
      undefined,
      at(7, 'last'),
      at(7, 'last'),
    ]);
  });

  it('gives added partitions to somebody within a quarter of the lease', async () => {
    const all = world(1);
    const member = await all.groups.join(topic, 'g', 'a', signal);
    await told(all.clock, member);
    all.partitions = 3;
    await all.clock.advance(leaseMs / 4);
    assert.deepEqual(partitionsOf(await told(all.clock, member), 'assigned'), [1, 2]);
    await member.close();
  });

  it('hands over what a dead member owned when its lease is over, and not before', async () => {
    const { clock, groups, mortal } = world(2);
    const { groups: its, kill } = mortal();
    const dying = await its.join(topic, 'g', 'a', signal);
    const tokens = await tokensOf(clock, dying);
    const heir = await groups.join(topic, 'g', 'b', signal);
    await told(clock, heir);
    kill();
    await clock.advance(leaseMs * 0.7);
    assert.deepEqual(await told(clock, heir), []);
    await clock.advance(leaseMs * 0.8);
    assert.deepEqual(partitionsOf(await told(clock, heir), 'assigned').toSorted(), [0, 1]);
    assert.equal(tokens.size, 2);
    await heir.close();
  });

  it('fences a member that was taken for dead, and tells it that it is lost', async () => {
    const { clock, groups, cells } = world(1);
    const slow = await groups.join(topic, 'g', 'a', signal);
    const tokens = await tokensOf(clock, slow);
    const token = tokens.get(0) ?? -1;
    const raw = cells.through({ frozen: () => Promise.resolve(), dead: () => false });
    const member = (await raw.list(signal)).find(({ key }) => key.startsWith('member/'));
    assert.ok(member !== undefined);
    await raw.put([{ key: member.key, value: undefined, ifVersion: member.version }], true, signal);
    const heir = await groups.join(topic, 'g', 'b', signal);
    assert.deepEqual(partitionsOf(await told(clock, heir), 'assigned'), [0]);
    assert.deepEqual(types(await told(clock, slow)), ['lost']);
    await assert.rejects(slow.commit([{ partition: 0, token, pointer: at(1) }]), (error) =>
      BusError.is(error, 'DUOBUS_UNAVAILABLE'),
    );
    await Promise.all([slow.close(), heir.close()]);
  });

  it('gives a member that joins again under its name what was its own, at once and under other tokens', async () => {
    const { clock, groups, mortal } = world(2);
    const { groups: its, kill } = mortal();
    const before = await tokensOf(clock, await its.join(topic, 'g', 'a', signal));
    kill();
    const again = await groups.join(topic, 'g', 'a', signal);
    const after = await tokensOf(clock, again);
    assert.deepEqual([...after.keys()], [0, 1]);
    for (const [partition, token] of after) assert.notEqual(token, before.get(partition));
    await again.close();
  });

  it('takes nothing from its successor of the same name when it leaves', async () => {
    for (const looksFirst of [false, true]) {
      const { clock, groups, cells } = world(1);
      const before = await groups.join(topic, 'g', 'a', signal);
      await tokensOf(clock, before);
      await clock.advance(leaseMs);
      const joining = groups.join(topic, 'g', 'a', signal);
      if (looksFirst) {
        await joining;
        await clock.settle();
      }
      const closing = before.close();
      const after = await joining;
      await closing;
      assert.ok(cells.value('member/a') !== undefined);
      assert.deepEqual(partitionsOf(await told(clock, after), 'assigned'), [0]);
      await clock.advance(leaseMs);
      assert.ok(!types(await told(clock, after)).includes('lost'));
      await after.close();
      assert.equal(cells.value('member/a'), undefined);
    }
  });

  it('knows its own write although the answer was lost', async () => {
    const { clock, groups, cells } = world(1);
    const member = await groups.join(topic, 'g', 'a', signal);
    const token = (await tokensOf(clock, member)).get(0) ?? -1;
    cells.weather.silent = 1;
    await assert.rejects(member.commit([{ partition: 0, token, pointer: at(1) }]), (error) =>
      BusError.is(error, 'DUOBUS_UNAVAILABLE'),
    );
    cells.weather.silent = 0;
    assert.deepEqual(await groups.pointers(topic, 'g', signal), [at(1)]);
    assert.deepEqual(await member.commit([{ partition: 0, token, pointer: at(2) }]), ['ok']);
    assert.deepEqual(await groups.pointers(topic, 'g', signal), [at(2)]);
    await member.close();
  });

  it('is empty once everybody has left, or is dead', async () => {
    const { clock, groups, mortal } = world(1);
    const { groups: its, kill } = mortal();
    const member = await groups.join(topic, 'g', 'a', signal);
    await told(clock, member);
    const refused = groups.empty(topic, 'g', signal).catch((error: unknown) => error);
    await clock.advance(leaseMs);
    assert.ok(BusError.is(await refused, 'DUOBUS_CONFLICT'));
    await its.join(topic, 'g', 'b', signal);
    kill();
    await member.close();
    let empty = false;
    void groups.empty(topic, 'g', signal).then(() => (empty = true));
    await clock.advance(leaseMs / 2);
    assert.ok(!empty);
    await clock.advance(leaseMs);
    assert.ok(empty);
  });

  it('refuses cells of a version it does not know', async () => {
    const { clock, groups, cells } = world(1);
    const raw = cells.through({ frozen: () => Promise.resolve(), dead: () => false });
    await raw.put([{ key: 'partition/0', value: '{"v":2}', ifVersion: undefined }], true, signal);
    await assert.rejects(groups.pointers(topic, 'g', signal), (error) =>
      BusError.is(error, 'DUOBUS_DECODE'),
    );
    const member = await groups.join(topic, 'g', 'a', signal);
    const [event] = await told(clock, member);
    assert.ok(event?.type === 'gone' && event.error.code === 'DUOBUS_DECODE');
    await member.close();
  });
});

/** Goes on by microtasks alone, so that it ends right there. */
async function untilDecided(cells: ModelCells): Promise<void> {
  for (let turn = 0; turn < 1_000; turn += 1) {
    if (cells.value('edits')?.endsWith(',1]]}') === true) return;
    await Promise.resolve();
  }
  throw new Error('the edit was never decided');
}

describe('groups over cells: edits', () => {
  it('writes pointers of a group that does not run', async () => {
    const { groups } = world(2);
    const result = await groups.edit(
      topic,
      'g',
      (partition) => (partition === 1 ? at(7, 'x') : undefined),
      1_000,
      signal,
    );
    assert.deepEqual(result, { superseded: false });
    assert.deepEqual(await groups.pointers(topic, 'g', signal), [undefined, at(7, 'x')]);
  });

  it('waits for the owners to commit and release, then lets them own again', async () => {
    const { clock, groups } = world(1);
    const member = await groups.join(topic, 'g', 'a', signal);
    const token = (await tokensOf(clock, member)).get(0) ?? -1;
    const seen: (StoredPointer | undefined)[] = [];
    const edited = groups.edit(
      topic,
      'g',
      (_, stored) => {
        seen.push(stored);
        return at(0, 'new');
      },
      1_000,
      signal,
    );
    const [asked] = await told(clock, member);
    assert.ok(asked?.type === 'revoking' && asked.cause === 'reset' && asked.withinMs === 1_000);
    assert.deepEqual(await member.commit([{ partition: 0, token, pointer: at(0, 'old') }]), ['ok']);
    assert.deepEqual(seen, []);
    await member.release(0, token);
    await clock.settle();
    await edited;
    assert.deepEqual(seen, [at(0, 'old')]);
    const [assigned] = await told(clock, member);
    assert.ok(assigned?.type === 'assigned' && assigned.pointer?.text === 'new');
    assert.deepEqual(await member.commit([{ partition: 0, token, pointer: at(5) }]), ['fenced']);
    await member.close();
  });

  it('waits for an owner that is silent until its lease ends', async () => {
    const { clock, groups, mortal } = world(1);
    const { groups: its, kill } = mortal();
    const silent = await its.join(topic, 'g', 'a', signal);
    await told(clock, silent);
    kill();
    let done = false;
    const edited = groups.edit(topic, 'g', () => at(0, 'new'), 100, signal);
    void edited.then(() => (done = true));
    await clock.advance(leaseMs * 0.9);
    assert.ok(!done);
    await clock.advance(leaseMs * 0.4);
    assert.ok(done);
  });

  it('changes nothing when the change is refused, or the caller gives up', async () => {
    const { clock, groups } = world(2);
    const refuse = (partition: number): StoredPointer => {
      if (partition === 1) throw new BusError('DUOBUS_INVALID', 'no');
      return at(3);
    };
    await assert.rejects(groups.edit(topic, 'g', refuse, 1_000, signal), (error) =>
      BusError.is(error, 'DUOBUS_INVALID'),
    );
    const member = await groups.join(topic, 'g', 'a', signal);
    const tokens = await tokensOf(clock, member);
    assert.equal(tokens.size, 2);
    const controller = new AbortController();
    const edited = groups.edit(topic, 'g', () => at(3), 60_000, controller.signal);
    const failed = assert.rejects(edited, /enough/);
    assert.deepEqual(types(await told(clock, member)), ['revoking', 'revoking']);
    controller.abort(new Error('enough'));
    await failed;
    for (const [partition, token] of tokens) await member.release(partition, token);
    assert.deepEqual(types(await told(clock, member)), ['assigned', 'assigned']);
    assert.deepEqual(await groups.pointers(topic, 'g', signal), [undefined, undefined]);
    await member.close();
  });

  it('makes one edit after the other, and tells the earlier ones that they are superseded', async () => {
    const { clock, groups } = world(1);
    const order: string[] = [];
    const edit = (name: string): Promise<{ superseded: boolean }> =>
      groups.edit(
        topic,
        'g',
        () => {
          order.push(name);
          return at(0, name);
        },
        1_000,
        signal,
      );
    const edits = ['a', 'b', 'c'].map(edit);
    await clock.advance(10);
    const results = await Promise.all(edits);
    assert.deepEqual(
      results.map(({ superseded }) => superseded),
      [true, true, false],
    );
    assert.equal((await groups.pointers(topic, 'g', signal))[0]?.text, order.at(-1));
  });

  it('leaves an edit whose process died undone, or lets others finish it once it is decided', async () => {
    for (const decided of [false, true]) {
      const { clock, groups, mortal, cells } = world(2);
      const { groups: its, kill } = mortal();
      const dying = its.edit(
        topic,
        'g',
        (partition) => {
          if (!decided && partition === 1) kill();
          return at(9, 'new');
        },
        1_000,
        signal,
      );
      void dying.catch(() => undefined); // never settles: its process is dead
      if (decided) await untilDecided(cells);
      if (!decided) await clock.settle();
      kill();
      const member = await groups.join(topic, 'g', 'a', signal);
      assert.deepEqual(await told(clock, member), []);
      await clock.advance(leaseMs * 1.5);
      assert.equal((await tokensOf(clock, member)).size, 2);
      const expected = decided ? at(9, 'new') : undefined;
      assert.deepEqual(await groups.pointers(topic, 'g', signal), [expected, expected]);
      await member.close();
    }
  });
});
