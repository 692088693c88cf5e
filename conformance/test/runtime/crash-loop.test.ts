import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { connect, topic, type Delivery } from '@duobus/core';
import { severable } from '../../src/severable.ts';
import { during, until, world } from '../support/memory-bus.ts';
import { memory } from '../support/memory.ts';

interface Doc {
  readonly n: number;
}

const total = 3_000;
const Orders = topic<Doc>('orders', { key: ({ n }) => `k${n % 50}`, partitions: 1 });

describe('a document that kills its process', () => {
  for (const killer of [0, 40, 700, 2_900]) {
    it(`has done so four times when it becomes a dead letter, as number ${killer} after the pointer`, async (test) => {
      const { broker, clock, join } = world(test);
      const other = await join();
      await during(
        clock,
        other.data.publishMany(
          Orders,
          Array.from({ length: total }, (_, n) => ({ n })),
        ),
      );
      const handled = new Set<number>();
      let deaths = 0;
      const live = async (): Promise<() => boolean> => {
        const { adapter, sever } = severable(memory(broker));
        let dead = false;
        const bus = await connect(adapter, { source: '/test' });
        const handle = async ({ n }: Doc): Promise<void> => {
          if (n === killer && !dead) {
            dead = true;
            deaths += 1;
            await sever();
          }
          if (dead) await new Promise(() => undefined);
          handled.add(n);
        };
        // A pointer that is written late is all that the next owner has to go by.
        const options = { commitIntervalMs: 600_000, graceMs: 0 };
        const subscribed = bus.data.subscribe(Orders, 'g', handle, options).then(
          () => undefined,
          (error: unknown) => (dead ? undefined : Promise.reject(error)), // it may die before it has subscribed
        );
        await during(clock, subscribed);
        test.after(() => during(clock, bus.close({ graceMs: 0 })));
        return () => dead;
      };
      for (let dead = await live(); ; dead = await live()) {
        await until(
          clock,
          'it dies, or has handled all',
          () => dead() || handled.size === total - 1,
        );
        if (!dead()) break;
        assert.ok(deaths < 10, 'it never ends');
      }
      assert.equal(deaths, 4);
      const letters: string[] = [];
      for await (const letter of other.data.deadLetters(Orders, 'g')) letters.push(letter.reason);
      assert.deepEqual(letters, ['crash']);
      await during(clock, other.close());
    });
  }

  it('does not take others with it: what was handed out beside it runs again', async (test) => {
    const { broker, clock, join } = world(test);
    const other = await join();
    await during(
      clock,
      other.data.publishMany(
        Orders,
        Array.from({ length: 200 }, (_, n) => ({ n })),
      ),
    );
    const seen: boolean[] = [];
    for (let round = 0; round < 6; round += 1) {
      const { adapter, sever } = severable(memory(broker));
      const bus = await connect(adapter, { source: '/test' });
      let running = 0;
      const handle = async (_: Doc, { redelivered }: Delivery): Promise<void> => {
        running += 1;
        if (round > 0) seen.push(redelivered);
        await new Promise<void>((resolve) => clock.after(1_000, resolve));
      };
      await during(clock, bus.data.subscribe(Orders, 'g', handle, { graceMs: 0 }));
      await until(clock, 'it handles something', () => running > 0);
      await clock.advance(2_500);
      await sever();
      test.after(() => during(clock, bus.close({ graceMs: 0 })));
    }
    const bus = await join();
    const handle = await during(
      clock,
      bus.data.subscribe(Orders, 'g', () => undefined),
    );
    await until(
      clock,
      'all are handled',
      async () => (await bus.data.lag(Orders, 'g')).records === 0,
    );
    assert.equal(handle.stats().deadLettered, 0);
    assert.ok(seen.every((redelivered) => redelivered));
    await during(clock, bus.close());
    await during(clock, other.close());
  });
});
