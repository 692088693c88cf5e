import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Timers } from '../src/internal/timers.ts';
import { manualClock } from '../src/testing/manual-clock.ts';

describe('Timers', () => {
  it('calls in the order of due times what is not cancelled', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ ms: fc.nat(500), cancelAt: fc.option(fc.nat(500)) }), {
          maxLength: 60,
        }),
        async (all) => {
          const clock = manualClock(0);
          const timers = new Timers(clock);
          const called: number[] = [];
          for (const [index, { ms, cancelAt }] of all.entries()) {
            const cancel = timers.after(ms, () => {
              assert.equal(clock.now(), ms);
              called.push(index);
            });
            if (cancelAt !== null) clock.after(cancelAt, cancel);
          }
          await clock.advance(600);
          const expected = all.flatMap(({ ms, cancelAt }, index) =>
            cancelAt === null || cancelAt > ms ? [index] : [],
          );
          const unsure = new Set(
            all.flatMap(({ ms, cancelAt }, index) => (cancelAt === ms ? [index] : [])),
          );
          assert.deepEqual(
            called.filter((index) => !unsure.has(index)).toSorted((a, b) => a - b),
            expected,
          );
          const times = called.map((index) => all[index]?.ms ?? 0);
          assert.deepEqual(
            times,
            times.toSorted((a, b) => a - b),
          );
          assert.equal(clock.next, undefined, 'a timer of the clock is left');
        },
      ),
      { numRuns: 30 },
    );
  });

  it('uses one timer of the clock, however many delays there are', () => {
    let armed = 0;
    const timers = new Timers({
      now: () => 0,
      after: () => {
        armed += 1;
        return () => (armed -= 1);
      },
    });
    const cancels = Array.from({ length: 5_000 }, (_, n) => timers.after(5_000 - n, () => {}));
    assert.equal(armed, 1);
    for (const cancel of cancels) {
      cancel();
      cancel();
    }
    assert.equal(armed, 0);
  });

  it('does not keep what is cancelled until its time', () => {
    const timers = new Timers({ now: () => 0, after: () => () => {} });
    timers.after(1, () => {});
    for (let n = 0; n < 5_000; n += 1) timers.after(30_000, () => {})();
    assert.ok(timers.pending <= 2_002, `${timers.pending} entries`);
  });

  it('calls nothing once it is closed, not even what is added later', async () => {
    const clock = manualClock(0);
    const timers = new Timers(clock);
    let called = 0;
    timers.after(5, () => (called += 1));
    timers.close();
    timers.after(5, () => (called += 1));
    assert.equal(clock.next, undefined);
    await clock.advance(10);
    assert.equal(called, 0);
  });

  it('goes on after a callback that throws', async () => {
    const fns: (() => void)[] = [];
    let now = 0;
    const timers = new Timers({
      now: () => now,
      after: (_, fn) => {
        fns.push(fn);
        return () => {};
      },
    });
    let called = false;
    timers.after(5, () => {
      throw new Error('mine');
    });
    timers.after(6, () => (called = true));
    now = 10;
    assert.throws(() => fns.shift()?.(), /mine/);
    fns.at(-1)?.();
    assert.ok(called);
  });

  it('sleeps until the time or the signal, and leaves no listener', async () => {
    const clock = manualClock(0);
    const timers = new Timers(clock);
    const stop = new AbortController();
    const slept = timers.sleep(5, stop.signal);
    await clock.advance(5);
    await slept;
    const stopped = timers.sleep(5, stop.signal);
    stop.abort(new Error('enough'));
    await assert.rejects(stopped, /enough/);
    await assert.rejects(timers.sleep(5, stop.signal), /enough/);
    assert.equal(clock.next, undefined);
  });
});
