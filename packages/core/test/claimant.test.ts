import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BusError } from '../src/errors.ts';
import { Claimant } from '../src/groups/claimant.ts';
import { manualClock } from '../src/testing/manual-clock.ts';
import { ModelCells } from './support/model-cells.ts';
import { leaseMs, signal } from './support/model-groups.ts';

const alive = { frozen: () => Promise.resolve(), dead: () => false };

describe('a claimant whose process stood still', () => {
  it('is waited for no longer once it is closed, and leaves no timer behind', async () => {
    const clock = manualClock();
    let stoodMs = 0;
    const claimant = new Claimant({
      clock: { now: () => clock.now() + stoodMs, after: (ms, fn) => clock.after(ms, fn) },
      leaseMs,
      id: 'a',
      cells: new ModelCells(clock).through(alive),
      partitions: async () => 1,
      events: {
        assigned: () => undefined,
        revoking: () => undefined,
        revoked: () => undefined,
        ended: () => undefined,
      },
    });
    await claimant.open(signal);
    await clock.settle();
    stoodMs = leaseMs;
    assert.ok(claimant.stale);
    let outcome: unknown = 'waits';
    const waiting = claimant.untilFresh().then(
      () => (outcome = 'fresh'),
      (error: unknown) => (outcome = error),
    );
    await clock.settle();
    assert.equal(outcome, 'waits');
    const closing = claimant.close();
    await clock.settle();
    assert.ok(BusError.is(outcome, 'DUOBUS_CLOSED'), String(outcome));
    await Promise.all([waiting, closing]);
    assert.equal(clock.next, undefined);
  });
});
