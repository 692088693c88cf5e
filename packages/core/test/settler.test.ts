import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { QueueMember, Settlement } from '../src/driver.ts';
import { BusError } from '../src/errors.ts';
import { Settler } from '../src/runtime/settler.ts';
import { contextOf } from './support/scripted-source.ts';

function setUp(
  settle: (batch: readonly Settlement[]) => Promise<readonly ('settled' | 'lost')[]>,
): {
  readonly settler: Settler;
  readonly clock: ReturnType<typeof contextOf>['clock'];
  readonly batches: number[];
  readonly failures: unknown[];
} {
  const { context, clock } = contextOf();
  const batches: number[] = [];
  const failures: unknown[] = [];
  const member = {
    settle: (batch: readonly Settlement[]) => {
      batches.push(batch.length);
      return settle(batch);
    },
  } as unknown as QueueMember;
  const settler = new Settler(member, context.timers, { intervalMs: 50, size: 10 }, (error) =>
    failures.push(error),
  );
  return { settler, clock, batches, failures };
}

const settled = async (batch: readonly Settlement[]): Promise<readonly 'settled'[]> =>
  batch.map(() => 'settled' as const);
const done = (token: number): Settlement => ({ token, verdict: 'done' });

describe('Settler', () => {
  it('settles full batches at once and the rest after the interval', async () => {
    const { settler, clock, batches } = setUp(settled);
    for (let n = 0; n < 25; n += 1) settler.add(done(n));
    assert.deepEqual(batches, [10, 10]);
    await clock.advance(49);
    assert.deepEqual(batches, [10, 10]);
    await clock.advance(1);
    assert.deepEqual(batches, [10, 10, 5]);
    assert.equal(settler.settled, 25);
    assert.equal(clock.next, undefined);
  });

  it('settles soon when nothing more comes, and lets a batch grow while something does', async () => {
    const { settler, clock, batches } = setUp(settled);
    settler.add(done(0));
    settler.soon();
    for (let n = 1; n < 6; n += 1) {
      await clock.advance(3);
      settler.add(done(n));
      settler.soon();
      assert.deepEqual(batches, []);
    }
    await clock.advance(8);
    assert.deepEqual(batches, [6]);
    assert.equal(clock.next, undefined);
  });

  it('answers each of those that wait', async () => {
    const { settler } = setUp(async (batch) =>
      batch.map(({ token }) => (token === 2 ? 'lost' : 'settled')),
    );
    const answers = [1, 2, 3].map((n) => settler.now(done(n)));
    assert.deepEqual(await Promise.all(answers), [true, false, true]);
    assert.equal(settler.settled, 2);
  });

  it('says that the member cannot settle before it answers who waits', async () => {
    const broken = new BusError('DUOBUS_UNAVAILABLE', 'lost', { retryable: true });
    const { settler, failures } = setUp(() => Promise.reject(broken));
    let known = 0;
    await settler.now(done(1)).then(() => (known = failures.length));
    assert.deepEqual(failures, [broken]);
    assert.equal(known, 1);
  });

  it('waits at its end for everything', async () => {
    const { settler, clock } = setUp(async (batch) => {
      await clock.settle();
      return settled(batch);
    });
    for (let n = 0; n < 15; n += 1) settler.add(done(n));
    await settler.end();
    assert.equal(settler.settled, 15);
  });
});
