import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { Adapter } from '@duobus/core';
import type { LogMember, QueueMember } from '@duobus/core/driver';
import { run } from '../src/index.ts';
import { Random } from '../src/random.ts';
import { memoryHarness } from './support/memory.ts';

const seed = Math.floor(Math.random() * 2 ** 32);
const random = new Random(seed);

/** Every answer comes later than it could: half of them at once, most of the others soon, some after a fifth of a second. */
async function later<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } finally {
    const share = random.next();
    if (share > 0.5) await pause((share * 2 - 1) ** 3 * 200);
  }
}

function late<T extends object>(target: T): T {
  return new Proxy(target, {
    get(original, property) {
      const value: unknown = Reflect.get(original, property, original);
      if (typeof value !== 'function') return value;
      return (...args: readonly unknown[]) => {
        const answer: unknown = Reflect.apply(value, original, args);
        if (!(answer instanceof Promise)) return answer;
        const answered = later(answer);
        return property === 'consume' || property === 'join'
          ? answered.then((member: QueueMember | LogMember) => late(member))
          : answered;
      };
    },
  });
}

const lateAdapter = ({ queue, log, ...rest }: Adapter): Adapter => ({
  ...rest,
  ...(queue === undefined ? {} : { queue: late(queue) }),
  ...(log === undefined ? {} : { log: late(log) }),
});

describe('an adapter whose broker answers late', () => {
  it('passes every case', async () => {
    const { cases } = await run(memoryHarness(lateAdapter), { seed, concurrency: 24 });
    assert.deepEqual(
      cases.filter(({ verdict }) => verdict !== 'pass').map(({ name, error }) => [name, error]),
      [],
      `seed ${seed}`,
    );
  });
});
