import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LogMember, PointerWrite } from '../src/driver.ts';
import { BusError } from '../src/errors.ts';
import { deferred, type Deferred } from '../src/internal/deferred.ts';
import { Committer } from '../src/runtime/committer.ts';
import { newPart } from '../src/runtime/item.ts';
import { LogPartition } from '../src/runtime/log-partition.ts';
import { newPointer } from '../src/runtime/pointer.ts';
import { contextOf, ScriptedSource } from './support/scripted-source.ts';

const lost = new BusError('DUOBUS_UNAVAILABLE', 'lost', { retryable: true });

function setUp(): {
  readonly committer: Committer;
  readonly partition: LogPartition;
  readonly writes: (readonly PointerWrite[])[];
  readonly failures: unknown[];
  readonly clock: ReturnType<typeof contextOf>['clock'];
  readonly handle: (count?: number) => void;
  answer: () => Promise<'ok' | 'fenced'>;
} {
  const { context, clock } = contextOf();
  const writes: (readonly PointerWrite[])[] = [];
  const failures: unknown[] = [];
  const partition = new LogPartition({
    partition: 0,
    token: 1,
    part: newPart(new ScriptedSource(true), 0),
    pointer: newPointer({ offset: 0, time: 0 }, 1),
    mostRunning: 16,
  });
  let offset = 0;
  const world = {
    answer: (): Promise<'ok' | 'fenced'> => Promise.resolve('ok'),
    writes,
    failures,
    partition,
    clock,
    handle(count = 1): void {
      for (let n = 0; n < count; n += 1) {
        const record = { offset, time: 0, key: undefined, headers: {}, body: null };
        offset += 1;
        const taken = partition.take(record);
        if (taken !== undefined) partition.complete(taken.tracked);
      }
      committer.changed(partition);
    },
    committer: undefined as unknown as Committer,
  };
  const member = {
    async commit(batch: readonly PointerWrite[]) {
      writes.push(batch);
      const answer = await world.answer();
      return batch.map(() => answer);
    },
  } as unknown as LogMember;
  const committer = new Committer(member, context.timers, 1_000, {
    partitions: () => [partition],
    fenced: () => (partition.lease.alive = false),
    failed: (error) => failures.push(error),
    written: () => undefined,
  });
  world.committer = committer;
  return world;
}

function lastOffset(writes: readonly (readonly PointerWrite[])[]): number | undefined {
  return writes.at(-1)?.[0]?.pointer.place.offset;
}

describe('Committer', () => {
  it('writes once in an interval, however much is handled', async () => {
    const { handle, writes, clock } = setUp();
    for (let n = 0; n < 50; n += 1) handle();
    await clock.advance(999);
    assert.equal(writes.length, 0);
    await clock.advance(1);
    assert.equal(writes.length, 1);
    assert.equal(lastOffset(writes), 50);
    await clock.advance(10_000);
    assert.equal(writes.length, 1, 'nothing has changed since');
  });

  it('writes what was handled while it wrote, though nothing is handled afterwards', async () => {
    const world = setUp();
    const first: Deferred<'ok'> = deferred();
    world.answer = () => first.promise;
    world.handle();
    await world.clock.advance(1_000);
    world.answer = () => Promise.resolve('ok');
    world.handle(6_000);
    await world.clock.advance(5_000);
    assert.equal(world.writes.length, 1, 'one write at a time');
    first.resolve('ok');
    await world.clock.advance(1_000);
    assert.equal(lastOffset(world.writes), 6_001);
  });

  it('goes on writing after its interval has ended during the first write of another partition', async () => {
    const world = setUp();
    const first: Deferred<'ok'> = deferred();
    world.handle();
    world.answer = () => first.promise;
    const assigned = world.committer.first([world.partition]);
    await world.clock.advance(5_000);
    world.answer = () => Promise.resolve('ok');
    first.resolve('ok');
    await assigned;
    world.handle();
    await world.clock.advance(1_000);
    assert.equal(lastOffset(world.writes), 2);
  });

  it('tells who waits that it was not written when it ends while a failed write waits for its repetition', async () => {
    const world = setUp();
    world.answer = () => Promise.reject(lost);
    const written = world.committer.now(world.partition);
    await world.clock.settle();
    assert.equal(world.failures.length, 1);
    world.committer.end();
    assert.equal(await written, false);
  });

  it('repeats a write that failed, until it succeeds', async () => {
    const world = setUp();
    let failures = 3;
    world.answer = () => (failures-- > 0 ? Promise.reject(lost) : Promise.resolve('ok'));
    const written = world.committer.now(world.partition);
    await world.clock.advance(20_000);
    assert.equal(await written, true);
    assert.equal(world.writes.length, 4);
  });

  it('ends a last write that the broker does not answer', async () => {
    const world = setUp();
    world.answer = () => new Promise(() => undefined);
    world.handle();
    const over = world.committer.last([world.partition], 5_000);
    let settled = false;
    void over.then(() => (settled = true));
    await world.clock.advance(4_999);
    assert.ok(!settled);
    await world.clock.advance(1);
    await over;
  });

  it('does not wait for a write that fails again and again when it is to end', async () => {
    const world = setUp();
    world.answer = () => Promise.reject(lost);
    void world.committer.now(world.partition);
    await world.clock.advance(100);
    world.committer.hurry();
    const over = world.committer.last([world.partition], 5_000);
    await world.clock.settle();
    await over;
    assert.equal(world.clock.now(), 100);
  });

  it('writes one request at a time, also when several partitions are given up at once', async () => {
    const world = setUp();
    let underWay = 0;
    world.answer = async () => {
      underWay += 1;
      assert.equal(underWay, 1);
      await world.clock.settle();
      underWay -= 1;
      return 'ok';
    };
    world.handle();
    await Promise.all([
      world.committer.last([world.partition], 5_000),
      world.committer.last([world.partition], 5_000),
      world.committer.now(world.partition),
    ]);
    assert.ok(world.writes.length >= 2);
  });

  it('tells who waits that the partition is no longer owned', async () => {
    const world = setUp();
    world.answer = () => Promise.resolve('fenced');
    assert.equal(await world.committer.now(world.partition), false);
    assert.equal(await world.committer.now(world.partition), false);
    assert.equal(world.writes.length, 1);
  });

  it('rejects the first write of what is assigned when the one before it fails: who waits cannot be told of the end', async () => {
    const world = setUp();
    world.answer = () => Promise.reject(lost);
    const written = world.committer.now(world.partition);
    await world.clock.settle();
    assert.deepEqual(world.failures, [lost]);
    await assert.rejects(world.committer.first([world.partition]), lost);
    world.committer.end();
    assert.equal(await written, false);
  });
});
