import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BusError } from '../src/errors.ts';
import { Inbox } from '../src/inbox.ts';
import { deferred } from '../src/internal/deferred.ts';
import { Link } from '../src/runtime/link.ts';
import { MemberLoop } from '../src/runtime/member-loop.ts';
import type { Driver } from '../src/driver.ts';
import { contextOf } from './support/scripted-source.ts';

type Event = 'record' | 'lost' | 'gone';

const lost = new BusError('DUOBUS_UNAVAILABLE', 'cut', { retryable: true });
const gone = new BusError('DUOBUS_NOT_FOUND', 'removed');

class Member {
  readonly inbox = new Inbox<Event>();
  closed = 0;
  fails: BusError | undefined;

  async receive(signal: AbortSignal): Promise<readonly Event[]> {
    if (this.fails !== undefined) throw this.fails;
    return this.inbox.receive(signal);
  }

  async close(): Promise<void> {
    this.closed += 1;
  }
}

function setUp() {
  const { context, clock } = contextOf();
  const driver = { open: () => Promise.resolve() } as unknown as Driver;
  const link = new Link(driver, 'event', context);
  const members: Member[] = [];
  const log: string[] = [];
  const world = { context, clock, members, log, opening: (): Promise<void> => Promise.resolve() };
  const loop = new MemberLoop<Event, Member>(context, link, {
    what: 'the consumer',
    async open() {
      await world.opening();
      const member = new Member();
      members.push(member);
      return member;
    },
    take: () => log.push('take'),
    apply(_, events) {
      for (const event of events) {
        if (event === 'lost') return lost;
        if (event === 'gone') throw gone;
        log.push(event);
      }
      return undefined;
    },
    ended: () => log.push('ended'),
    failed: (error) => log.push(`failed: ${(error as Error).message}`),
    changed: () => undefined,
  });
  return Object.assign(world, { loop });
}

describe('MemberLoop', () => {
  it('opens another member when one is lost', async () => {
    const world = setUp();
    await world.loop.open(undefined);
    world.members[0]?.inbox.push('record');
    world.members[0]?.inbox.push('lost');
    await world.clock.settle();
    assert.match(world.loop.down ?? '', /the consumer was lost: cut/);
    await world.clock.advance(100);
    assert.deepEqual(world.log, ['take', 'record', 'ended', 'take']);
    assert.deepEqual([world.members[0]?.closed, world.loop.reconnects], [1, 1]);
    assert.equal(world.loop.down, undefined);
    await world.loop.stop();
  });

  it('takes a receive that fails for a lost member', async () => {
    const world = setUp();
    await world.loop.open(undefined);
    (world.members[0] as Member).fails = lost;
    world.members[0]?.inbox.push('record');
    await world.clock.advance(100);
    assert.deepEqual(world.log, ['take', 'record', 'ended', 'take']);
    await world.loop.stop();
  });

  it('waits longer each time for a broker that takes members and loses them at once', async () => {
    const world = setUp();
    await world.loop.open(undefined);
    const cut = (): void => world.members.at(-1)?.inbox.push('lost');
    for (let n = 0; n < 400; n += 1) {
      cut();
      await world.clock.advance(50);
    }
    assert.ok(world.members.length < 100, `${world.members.length} members in 20 s`);
    await world.loop.stop();
  });

  it('ends for good with what no reconnecting mends', async () => {
    const world = setUp();
    await world.loop.open(undefined);
    world.members[0]?.inbox.push('gone');
    await world.clock.advance(100);
    assert.deepEqual(world.log, ['take', 'ended', 'failed: removed']);
  });

  it('gives up a member that cannot do its work, and what it held at once', async () => {
    const world = setUp();
    await world.loop.open(undefined);
    world.loop.giveUp(world.members[0] as Member, lost);
    assert.deepEqual(world.log, ['take', 'ended'], 'in the same turn');
    await world.clock.advance(100);
    assert.equal(world.members[0]?.closed, 1);
    assert.equal(world.members.length, 2);
    world.loop.giveUp(world.members[0] as Member, lost);
    await world.clock.advance(100);
    assert.equal(world.members.length, 2, 'an old member is no longer given up');
    await world.loop.stop();
  });

  it('closes a member that comes when nobody waits for it any more', async () => {
    const world = setUp();
    const opened = deferred();
    world.opening = () => opened.promise;
    const stop = new AbortController();
    const opening = world.loop.open(stop.signal);
    await world.clock.settle();
    stop.abort(new Error('enough'));
    await assert.rejects(opening, /enough/);
    opened.resolve();
    await world.clock.settle();
    assert.equal(world.members[0]?.closed, 1);
    assert.deepEqual(world.log, []);
  });

  it('stops while it waits to open another', async () => {
    const world = setUp();
    await world.loop.open(undefined);
    world.opening = () => Promise.reject(lost);
    world.members[0]?.inbox.push('lost');
    await world.clock.advance(10_000);
    await world.loop.stop();
    assert.equal(world.members.length, 1);
    assert.ok(!world.log.some((line) => line.startsWith('failed')));
  });
});
