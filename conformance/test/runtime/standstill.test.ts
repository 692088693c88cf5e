import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { connect, topic } from '@duobus/core';
import { manualClock } from '@duobus/core/testing';
import { intercept } from '../../src/intercept.ts';
import { memory, MemoryBroker } from '../support/memory.ts';
import { during, until } from '../support/memory-bus.ts';

const Orders = topic<{ n: number }>('orders', { partitions: 1, key: ({ n }) => `k${n}` });

describe('a process that stood still', () => {
  it('hands out nothing before a write that began afterwards shows that it still owns it', async (test) => {
    const time = manualClock();
    let stood = 0;
    const clock = { now: () => time.now() + stood, after: time.after.bind(time) };
    const broker = new MemoryBroker('test', { clock });
    test.after(() => broker.stop());
    const adapter = memory(broker);
    let holding = false;
    const held: (() => void)[] = [];
    const bus = await connect(
      {
        ...adapter,
        log: intercept(adapter.log as NonNullable<typeof adapter.log>, (log) => ({
          join: async (...args) =>
            intercept(await log.join(...args), (member) => ({
              commit: async (writes) => {
                if (holding) await new Promise<void>((resolve) => held.push(resolve));
                return member.commit(writes);
              },
            })),
        })),
      },
      { source: '/test' },
    );
    const begun: number[] = [];
    const ends: (() => void)[] = [];
    const handler = async ({ n }: { readonly n: number }): Promise<void> => {
      begun.push(n);
      await new Promise<void>((resolve) => ends.push(resolve));
    };
    await during(time, bus.data.subscribe(Orders, 'g', handler, { concurrency: 1 }));
    await during(time, bus.data.publishMany(Orders, [{ n: 1 }, { n: 2 }, { n: 3 }]));
    await until(time, 'the first is being handled', () => begun.length === 1);
    const lease = bus.data.capabilities.leaseMs * 0.6;
    holding = true;
    stood += lease;
    ends.shift()?.();
    await until(time, 'the pointer is being written', () => held.length === 1);
    assert.deepEqual(begun, [1]);
    stood += lease;
    await time.advance(lease / 2);
    held.shift()?.();
    await until(time, 'it is written again', () => held.length === 1);
    assert.deepEqual(begun, [1], 'the first write began before it stood still again');
    holding = false;
    held.shift()?.();
    await until(time, 'the second is being handled', () => begun.length === 2);
    for (const end of ends.splice(0)) end();
    await until(time, 'the third is being handled', () => begun.length === 3);
    for (const end of ends.splice(0)) end();
    await during(time, bus.close());
  });
});
