import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Clock } from '../src/internal/clock.ts';
import { Timers } from '../src/internal/timers.ts';
import { Standstill } from '../src/runtime/standstill.ts';
import { manualClock } from '../src/testing/manual-clock.ts';

function made(): {
  readonly stood: number[];
  readonly standstill: Standstill;
  readonly timers: Timers;
  /** Lets time pass with nobody running. */
  freeze(ms: number): void;
  advance(ms: number): Promise<void>;
} {
  const clock = manualClock();
  let frozen = 0;
  const shifted: Clock = {
    now: () => clock.now() + frozen,
    after: (ms, fn) => clock.after(ms, fn),
  };
  const timers = new Timers(shifted);
  const stood: number[] = [];
  const standstill = new Standstill(timers, 1_000, () => stood.push(timers.now()));
  return {
    stood,
    standstill,
    timers,
    freeze: (ms) => (frozen += ms),
    advance: (ms) => clock.advance(ms),
  };
}

describe('Standstill', () => {
  it('is told of before anything is handed out, once', () => {
    const { stood, standstill, freeze } = made();
    standstill.check();
    assert.equal(stood.length, 0);
    freeze(1_001);
    standstill.check();
    standstill.check();
    assert.equal(stood.length, 1);
  });

  it('is none while time passes with nothing to do', async () => {
    const { stood, standstill, advance } = made();
    await advance(60_000);
    standstill.check();
    assert.equal(stood.length, 0);
  });

  it('is noticed without anything to hand out', async () => {
    const { stood, freeze, advance } = made();
    freeze(5_000);
    await advance(500);
    assert.equal(stood.length, 1);
  });

  it('leaves no timer behind', async () => {
    const { stood, standstill, timers, freeze, advance } = made();
    standstill.end();
    freeze(5_000);
    await advance(60_000);
    assert.equal(stood.length, 0);
    assert.equal(timers.pending, 0);
  });
});
