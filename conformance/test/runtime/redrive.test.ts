import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { type Bus, connect, reject, topic } from '@duobus/core';
import type { ManualClock } from '@duobus/core/testing';
import { intercept } from '../../src/intercept.ts';
import { memory } from '../support/memory.ts';
import { during, until, world } from '../support/memory-bus.ts';

interface Doc {
  readonly n: number;
}

const Orders = topic<Doc>('orders', { partitions: 1 });

interface Slow {
  readonly clock: ManualClock;
  /** Its next confirm of a line of dead letters is withheld from the call of `hold` on. */
  readonly bus: Bus;
  readonly other: Bus;
  hold(): { readonly stored: Promise<void>; readonly confirm: () => void };
  dead(): Promise<number>;
}

async function slowly(test: TestContext): Promise<Slow> {
  const { broker, clock, join } = world(test);
  let held: { stored(): void; readonly confirmed: Promise<void> } | undefined;
  const adapter = memory(broker);
  const bus = await connect(
    {
      ...adapter,
      log: intercept(adapter.log as NonNullable<typeof adapter.log>, (log) => ({
        append: async (of, ...rest) => {
          const outcomes = await log.append(of, ...rest);
          if (of.compacted && held !== undefined) {
            const { stored, confirmed } = held;
            held = undefined;
            stored();
            await confirmed;
          }
          return outcomes;
        },
      })),
    },
    { source: '/test' },
  );
  const other = await join();
  return {
    clock,
    bus,
    other,
    hold() {
      let confirm = (): void => undefined;
      const confirmed = new Promise<void>((resolve) => (confirm = resolve));
      const stored = new Promise<void>((resolve) => (held = { stored: resolve, confirmed }));
      return { stored, confirm };
    },
    async dead() {
      let count = 0;
      for await (const _ of other.data.deadLetters(Orders, 'g')) count += 1;
      return count;
    },
  };
}

describe('redriven dead letters', () => {
  it('that die again and are redriven again at once are handled again', async (test) => {
    const { clock, bus, other, hold, dead } = await slowly(test);
    let mended = false;
    const causes: string[] = [];
    await during(
      clock,
      bus.data.subscribe(Orders, 'g', (_, { cause }) => {
        causes.push(cause);
        if (!mended) throw reject('no');
      }),
    );
    await during(clock, bus.data.publish(Orders, { n: 1 }));
    await until(clock, 'it is dead', async () => (await dead()) === 1);
    const { stored, confirm } = hold();
    // The first line is of the one who redrives, who has to be told.
    await during(clock, other.data.deadLetters(Orders, 'g').redrive());
    await during(clock, stored);
    assert.equal(await during(clock, other.data.deadLetters(Orders, 'g').redrive()), 1);
    await clock.advance(10_000);
    mended = true;
    confirm();
    await until(clock, 'it is handled', () => causes.length === 3);
    await until(clock, 'none is left', async () => (await dead()) === 0);
    assert.deepEqual(causes, ['first', 'redrive', 'redrive']);
    await clock.advance(60_000);
    assert.equal(causes.length, 3);
    await during(clock, Promise.all([bus.close(), other.close()]));
  });

  it('whose partition moves while their try is written are handled afterwards', async (test) => {
    const { clock, bus, other, hold, dead } = await slowly(test);
    let mended = false;
    let redriven = 0;
    const subscribe = (): ReturnType<Bus['data']['subscribe']> =>
      during(
        clock,
        bus.data.subscribe(Orders, 'g', (_, { cause }) => {
          if (!mended) throw reject('no');
          if (cause === 'redrive') redriven += 1;
        }),
      );
    const first = await subscribe();
    await during(clock, bus.data.publish(Orders, { n: 1 }));
    await until(clock, 'it is dead', async () => (await dead()) === 1);
    await during(clock, first.close());
    await during(clock, other.data.deadLetters(Orders, 'g').redrive());
    mended = true;
    const { stored, confirm } = hold();
    const second = await subscribe();
    await during(clock, stored);
    await during(clock, other.data.reset(Orders, 'g', 'latest', { graceMs: 1_000 }));
    confirm();
    await until(clock, 'it is handled', () => redriven === 1);
    await clock.advance(60_000);
    assert.equal(redriven, 1);
    assert.equal(second.stats().buffered, 0);
    await during(clock, Promise.all([bus.close(), other.close()]));
  });

  it('are not taken for killers because their partition moved', async (test) => {
    const { clock, bus, other, hold, dead } = await slowly(test);
    let mended = false;
    const subscribe = (): ReturnType<Bus['data']['subscribe']> =>
      during(
        clock,
        bus.data.subscribe(
          Orders,
          'g',
          () => {
            if (!mended) throw reject('no');
          },
          { maxCrashes: 1 },
        ),
      );
    const first = await subscribe();
    await during(clock, bus.data.publish(Orders, { n: 1 }));
    await until(clock, 'it is dead', async () => (await dead()) === 1);
    await during(clock, first.close());
    await during(clock, other.data.deadLetters(Orders, 'g').redrive());
    mended = true;
    const { stored, confirm } = hold();
    const second = await subscribe();
    await during(clock, stored);
    await during(clock, other.data.reset(Orders, 'g', 'latest', { graceMs: 1_000 }));
    confirm();
    await until(clock, 'it is handled', () => second.stats().handled === 1);
    assert.equal(await during(clock, dead()), 0);
    await during(clock, Promise.all([bus.close(), other.close()]));
  });
});
