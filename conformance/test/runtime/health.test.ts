import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { topic } from '@duobus/core';
import { during, until, world } from '../support/memory-bus.ts';

const Orders = topic<{ n: number; k: string }>('orders', {
  key: ({ k }) => k,
  order: 'key',
  partitions: 1,
});

describe('health', () => {
  it('is not bad for work that has only just come to a handle that was idle', async (test) => {
    const { clock, join } = world(test);
    const bus = await join({ stuckAfterMs: 60_000 });
    await clock.advance(600_000);
    const handles = [
      await bus.events.subscribe(Orders, 'a', () => new Promise(() => undefined)),
      await during(
        clock,
        bus.data.subscribe(Orders, 'g', () => new Promise(() => undefined)),
      ),
    ];
    await during(clock, bus.events.publish(Orders, { n: 1, k: 'a' }));
    await during(clock, bus.data.publish(Orders, { n: 1, k: 'a' }));
    await until(clock, 'they run', () => handles.every((handle) => handle.stats().running === 1));
    assert.ok((await during(clock, bus.health())).ok);
    await clock.advance(61_000);
    const { ok, handles: seen } = await during(clock, bus.health());
    assert.ok(!ok);
    assert.deepEqual(
      seen.map((one) => one.ok),
      [false, false],
    );
    await during(clock, bus.close({ graceMs: 0 }));
  });

  it('reports who has had no consumer for an hour, and goes on with that after an outage', async (test) => {
    const { broker, clock, join } = world(test);
    const told: unknown[] = [];
    const bus = await join({
      instrument: { event: (event) => event.type === 'neglected' && told.push(event.name) },
    });
    const away = await bus.events.subscribe(Orders, 'away', () => undefined);
    await bus.events.subscribe(Orders, 'tended', () => undefined);
    await clock.advance(1_800_000);
    await away.close();
    await clock.advance(1_800_000);
    assert.deepEqual((await during(clock, bus.health())).neglected, []);
    broker.stop();
    await clock.advance(900_000);
    broker.start();
    await clock.advance(1_800_000);
    const { ok, neglected } = await during(clock, bus.health());
    assert.deepEqual(
      neglected.map(({ topic: of, name }) => [of, name]),
      [['orders', 'away']],
    );
    assert.ok((neglected[0]?.forMs ?? 0) >= 3_600_000 && ok);
    await clock.advance(3_600_000);
    assert.deepEqual(told, ['away']);
    await bus.events.subscribe(Orders, 'away', () => undefined);
    await clock.advance(900_000);
    assert.deepEqual((await during(clock, bus.health())).neglected, []);
    await during(clock, bus.close());
  });

  for (const half of ['events', 'data'] as const) {
    it(`${half}: does not call a busy key stalled, but says which document holds up the others`, async (test) => {
      const { clock, join } = world(test);
      const bus = await join();
      let bad = false;
      const handle = await during(
        clock,
        bus[half].subscribe(
          Orders,
          'a',
          async ({ n }) => {
            await new Promise<void>((resolve) => clock.after(1, resolve));
            if (bad && n === 0) throw new Error('no');
          },
          { maxAhead: 50, prefetch: 500, maxAttempts: 30, backoff: { firstMs: 100, factor: 1 } },
        ),
      );
      const states = new Set<string>();
      const publish = async (): Promise<void> => {
        const many = Array.from({ length: 300 }, (_, n) => ({ n, k: 'hot' }));
        await during(clock, bus[half].publishMany(Orders, many));
        for (let n = 0; n < 200; n += 1) {
          states.add(handle.state);
          await clock.advance(1);
        }
      };
      await publish();
      await until(clock, 'all are handled', () => handle.stats().handled === 300);
      assert.deepEqual([...states], ['running']);
      bad = true;
      await publish();
      assert.ok(states.has('stalled'), [...states].join(' '));
      await until(clock, 'it is stalled', () => handle.state === 'stalled');
      assert.match(handle.detail ?? '', /behind failing ones, the first is '/);
      bad = false;
      await until(clock, 'all are handled', () => handle.stats().handled === 600);
      assert.equal(handle.state, 'running');
      await during(clock, bus.close());
    });
  }
});
