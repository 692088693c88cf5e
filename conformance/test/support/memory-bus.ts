import type { TestContext } from 'node:test';
import { connect, type Bus, type BusOptions } from '@duobus/core';
import { manualClock, type ManualClock } from '@duobus/core/testing';
import { memory, MemoryBroker } from './memory.ts';

export interface World {
  readonly broker: MemoryBroker;
  readonly clock: ManualClock;
  /** One more process: a bus of its own on the same broker. */
  join(options?: Partial<BusOptions>): Promise<Bus>;
}

/** A memory broker whose time is controlled, and which is gone when the test is over. */
export function world(test: TestContext): World {
  const clock = manualClock();
  const broker = new MemoryBroker('test', { clock });
  test.after(() => broker.stop());
  return {
    broker,
    clock,
    join: (options = {}) => connect(memory(broker), { source: '/test', ...options }),
  };
}

/** Lets time go on in small steps until the condition holds. */
export async function until(
  clock: ManualClock,
  what: string,
  holds: () => boolean | Promise<boolean>,
  ms = 120_000,
): Promise<void> {
  const end = clock.now() + ms;
  for (let stepMs = 1; !(await holds()); stepMs = Math.min(stepMs * 2, 500)) {
    if (clock.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await clock.advance(stepMs);
  }
}

/** Resolves as `promise` does while time goes on. */
export async function during<T>(clock: ManualClock, promise: Promise<T>, ms = 120_000): Promise<T> {
  let over = false;
  const watched = promise.finally(() => (over = true));
  watched.catch(() => undefined); // the caller is told below
  await until(clock, 'the promise settles', () => over, ms);
  return watched;
}
