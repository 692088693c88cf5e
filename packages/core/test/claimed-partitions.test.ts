import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Leased } from '../src/driver.ts';
import { BusError } from '../src/errors.ts';
import { ClaimedPartitions } from '../src/groups/claimed-partitions.ts';
import { MemberInbox } from '../src/member-inbox.ts';
import { manualClock, type ManualClock } from '../src/testing/manual-clock.ts';
import { ModelCells } from './support/model-cells.ts';

const leaseMs = 8_000;
const { signal } = new AbortController();
const alive = { frozen: () => Promise.resolve(), dead: () => false };

interface Part {
  readonly partition: number;
  receives: boolean;
  start(): void;
  stop(): Promise<void>;
}

const lease = (id: string): Leased => ({
  key: id,
  headers: {},
  body: null,
  token: id,
  redelivered: false,
  state: undefined,
});

/** One member, and what it has been made to do. */
class World {
  readonly inbox = new MemberInbox<Leased>('work');
  readonly parts = new Map<number, Part>();
  readonly ended: (readonly [partition: number, unseen: readonly unknown[]])[] = [];
  readonly failures: unknown[] = [];
  readonly claimed: ClaimedPartitions<Part, Leased>;
  endFails = false;
  opening: Promise<void> = Promise.resolve();
  stopping: (partition: number) => Promise<void> = () => Promise.resolve();

  constructor(clock: ManualClock, cells: ModelCells, owner: string) {
    this.claimed = new ClaimedPartitions<Part, Leased>({
      cells: cells.through(alive),
      clock,
      leaseMs,
      owner,
      inbox: this.inbox,
      partitions: async () => 2,
      open: async (partition) => {
        await this.opening;
        const part: Part = {
          partition,
          receives: false,
          start: () => (part.receives = true),
          stop: async () => {
            part.receives = false;
            await this.stopping(partition);
          },
        };
        this.parts.set(partition, part);
        return part;
      },
      end: async (part, unseen) => {
        this.ended.push([part.partition, unseen.map(({ token }) => token)]);
        if (this.endFails) throw new BusError('DUOBUS_UNAVAILABLE', 'away', { retryable: true });
      },
      lost: () => undefined,
      failed: (error) => this.failures.push(error),
    });
  }

  get receiving(): readonly number[] {
    return [...this.parts.values()].flatMap(({ partition, receives }) =>
      receives ? [partition] : [],
    );
  }
}

async function two(): Promise<{
  readonly clock: ManualClock;
  readonly cells: ModelCells;
  readonly first: World;
  readonly second: World;
}> {
  const clock = manualClock(1_000_000);
  const cells = new ModelCells(clock);
  const first = new World(clock, cells, 'first');
  const second = new World(clock, cells, 'second');
  await first.claimed.open(signal);
  await clock.advance(1);
  assert.deepEqual(first.receiving, [0, 1]);
  return { clock, cells, first, second };
}

const typesOf = async ({ inbox }: World): Promise<readonly string[]> =>
  (await inbox.receive(signal)).map((event) =>
    'partition' in event ? `${event.type} ${event.partition}` : event.type,
  );

describe('partitions by claims', () => {
  it('are told of before what is in them, and asked back for others', async () => {
    const { clock, first, second } = await two();
    assert.deepEqual(await typesOf(first), ['assigned 0', 'assigned 1']);
    await second.claimed.open(signal);
    await clock.advance(leaseMs / 4);
    const [told] = await typesOf(first);
    const moved = Number(told?.split(' ')[1]);
    assert.equal(told, `revoking ${moved}`);
    assert.deepEqual(first.receiving, [1 - moved]);
    assert.deepEqual(second.receiving, []);
    await first.claimed.release(moved);
    await clock.advance(1);
    assert.deepEqual(second.receiving, [moved]);
  });

  it('give back what nobody has seen, and hand out no more of it', async () => {
    const { clock, first, second } = await two();
    await first.inbox.receive(signal);
    await second.claimed.open(signal);
    for (const partition of [0, 1]) first.inbox.records(partition, [lease(`d${partition}`)]);
    await clock.advance(leaseMs / 4);
    const events = await first.inbox.receive(signal);
    const moved = events.flatMap((event) => (event.type === 'revoking' ? [event.partition] : []));
    assert.deepEqual(
      events.flatMap((event) => (event.type === 'records' ? [event.partition] : [])),
      moved.map((partition) => 1 - partition),
    );
    await first.claimed.release(moved[0] as number);
    assert.deepEqual(first.ended, [[moved[0], [`d${moved[0]}`]]]);
  });

  for (const how of ['released', 'left'] as const)
    it(`are given back with what was still on its way when they are ${how}`, async () => {
      const { clock, first, second } = await two();
      await first.inbox.receive(signal);
      await second.claimed.open(signal);
      await clock.advance(leaseMs / 4);
      first.stopping = async (partition) => {
        await Promise.resolve();
        first.inbox.records(partition, [lease(`late ${partition}`)]);
      };
      if (how === 'left') await first.claimed.leave();
      else
        for (const event of await first.inbox.receive(signal))
          if (event.type === 'revoking') await first.claimed.release(event.partition);
      assert.equal(first.ended.length, how === 'left' ? 2 : 1);
      for (const [partition, unseen] of first.ended)
        assert.deepEqual(unseen, [`late ${partition}`]);
    });

  for (const how of ['released', 'left'] as const)
    it(`are free when they are ${how}, although what was held could not be given back`, async () => {
      const { clock, cells, first, second } = await two();
      await first.inbox.receive(signal);
      first.endFails = true;
      await second.claimed.open(signal);
      await clock.advance(leaseMs / 4);
      if (how === 'left') await assert.rejects(first.claimed.leave(), /away/);
      else
        for (const event of await first.inbox.receive(signal))
          if (event.type === 'revoking')
            await assert.rejects(first.claimed.release(event.partition), /away/);
      await clock.advance(1);
      assert.equal(second.receiving.length, how === 'left' ? 2 : 1);
      assert.equal(cells.value('member/first') === undefined, how === 'left');
    });

  it('that are asked back before they are ready go at once, and nobody is told', async () => {
    const clock = manualClock(1_000_000);
    const cells = new ModelCells(clock);
    const [first, second] = [new World(clock, cells, 'first'), new World(clock, cells, 'second')];
    let ready = (): void => undefined;
    first.opening = new Promise((resolve) => (ready = resolve));
    await first.claimed.open(signal);
    await clock.advance(1);
    await second.claimed.open(signal);
    await clock.advance(leaseMs / 4);
    assert.deepEqual(second.receiving, []);
    ready();
    await clock.advance(leaseMs / 4);
    assert.equal(second.receiving.length, 1);
    const [kept] = first.receiving;
    assert.deepEqual(await typesOf(first), [`assigned ${kept}`]);
  });

  it('that cannot be made ready end the member', async () => {
    const clock = manualClock(1_000_000);
    const world = new World(clock, new ModelCells(clock), 'first');
    world.opening = Promise.reject(new Error('no queue'));
    await world.claimed.open(signal);
    await clock.advance(1);
    assert.equal(world.failures.length, 2);
    assert.deepEqual(world.receiving, []);
  });
});
