import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BusError, topic } from '@duobus/core';
import { during, until, world } from '../support/memory-bus.ts';

const Orders = topic<{ n: number }>('orders', { key: () => 'one', order: 'key' });
const Logs = topic<{ n: number }>('logs');

function codeOf(error: unknown): string {
  return BusError.is(error) ? `${error.code} ${error.outcome}` : String(error);
}

describe('publishing under pressure', () => {
  it('keeps the order of the calls while the buffer is full and the broker comes and goes', async (test) => {
    const { broker, clock, join } = world(test);
    const bus = await join({ publishBuffer: { documents: 7 } });
    const seen: number[] = [];
    await bus.events.subscribe(Orders, 'a', ({ n }) => seen.push(n));
    const results: string[] = [];
    const published = Array.from({ length: 200 }, (_, n) =>
      bus.events.publish(Orders, { n }).then(
        () => results.push('ok'),
        (error: unknown) => results.push(codeOf(error)),
      ),
    );
    broker.stop();
    await clock.advance(500);
    broker.start();
    await during(clock, Promise.all(published));
    await until(
      clock,
      'all are handled',
      () => seen.length >= results.filter((r) => r === 'ok').length,
    );
    assert.deepEqual(
      seen,
      seen.toSorted((a, b) => a - b),
    );
    assert.ok(results.filter((one) => one === 'ok').length >= 190, results.join(' '));
    await during(clock, bus.close());
  });

  it('waits for the record of its topic for as long as it may', async (test) => {
    const { broker, clock, join } = world(test);
    const bus = await join({ publishTimeoutMs: 90_000 });
    broker.stop();
    const published = bus.events.publish(topic('new'), { n: 1 });
    await clock.advance(45_000);
    broker.start();
    assert.equal((await during(clock, published)).topic, 'new');
    await during(clock, bus.close());
  });

  it('rejects at its time what never got to the broker, as certainly not stored', async (test) => {
    const { broker, clock, join } = world(test);
    const bus = await join({ publishTimeoutMs: 1_000, publishBuffer: { documents: 3 } });
    await during(clock, bus.events.publish(Logs, { n: 0 }));
    broker.stop();
    const began = clock.now();
    const known = Array.from({ length: 10 }, (_, n) => bus.events.publish(Logs, { n }));
    const unknown = [
      bus.events.publish(topic('new'), { n: 1 }),
      bus.data.publish(Orders, { n: 1 }),
    ];
    const all = await during(clock, Promise.allSettled([...known, ...unknown]), 5_000);
    assert.ok(clock.now() - began < 3_000, `${clock.now() - began} ms`);
    for (const result of all.slice(1))
      assert.match(
        codeOf(result.status === 'rejected' ? result.reason : undefined),
        /^DUOBUS_(TIMEOUT|UNAVAILABLE|REJECTED) rejected$/,
      );
    broker.start();
    await clock.advance(6_000);
    await during(clock, bus.events.publish(Logs, { n: 1 }), 1_000);
    await during(clock, bus.close());
  });

  it('tries again what is certainly not stored, and nothing of it twice', async (test) => {
    const { broker, clock, join } = world(test);
    const bus = await join();
    await during(clock, bus.data.publish(Logs, { n: 0 }));
    broker.failPublishes({ outcome: 'rejected', count: 3 });
    await during(clock, bus.data.publish(Logs, { n: 1 }));
    const stored: number[] = [];
    for await (const { document } of bus.data.read(Logs)) stored.push(document?.n ?? -1);
    assert.deepEqual(stored, [0, 1]);
    await during(clock, bus.close());
  });

  it('takes the later documents of a key with the one that failed', async (test) => {
    const { broker, clock, join } = world(test);
    const bus = await join({ publishTimeoutMs: 1_000 });
    await during(clock, bus.events.publish(Orders, { n: 0 }));
    broker.failPublishes({ outcome: 'rejected', count: 1_000 });
    const first = bus.events.publish(Orders, { n: 1 }).catch(codeOf);
    await clock.advance(500);
    const second = bus.events.publish(Orders, { n: 2 }).catch(codeOf);
    assert.equal(await during(clock, second, 5_000), 'DUOBUS_REJECTED rejected');
    assert.match(String(await first), /rejected$/);
    await during(clock, bus.close());
  });

  it('says of what found no room that the buffer stayed full', async (test) => {
    const { broker, clock, join } = world(test);
    const bus = await join({ publishTimeoutMs: 1_000, publishBuffer: { documents: 1 } });
    await during(clock, bus.events.publish(Logs, { n: 0 }));
    broker.stop();
    const both = [1, 2].map((n) => bus.events.publish(Logs, { n }));
    const [, second] = await during(clock, Promise.allSettled(both), 5_000);
    assert.match(String(second?.status === 'rejected' && second.reason), /buffer stayed full/);
    broker.start();
    await during(clock, bus.close());
  });

  it('does not publish what was given up before its turn', async (test) => {
    const { broker, clock, join } = world(test);
    const bus = await join({ publishBuffer: { documents: 1 } });
    const seen: number[] = [];
    await bus.events.subscribe(Orders, 'a', ({ n }) => seen.push(n));
    broker.stop();
    const first = bus.events.publish(Orders, { n: 1 }).catch(codeOf);
    const stop = new AbortController();
    const second = bus.events.publish(Orders, { n: 2 }, { signal: stop.signal });
    const third = bus.events.publish(Orders, { n: 3 }).catch(codeOf);
    stop.abort(new Error('enough'));
    await assert.rejects(second, /enough/);
    broker.start();
    await during(clock, Promise.all([first, third]));
    await clock.advance(5_000);
    assert.ok(!seen.includes(2), seen.join(' '));
    await during(clock, bus.close());
  });

  it('asks a long iterable for more only when there is room', async (test) => {
    const { clock, join } = world(test);
    const bus = await join({ publishBuffer: { documents: 100 } });
    let settled = 0;
    let ahead = 0;
    const original = bus.data.publish(Logs, { n: -1 });
    await during(clock, original);
    function* documents(): Generator<{ n: number }> {
      for (let n = 0; n < 20_000; n += 1) {
        ahead = Math.max(ahead, n - settled);
        yield { n };
      }
    }
    const counting = (async () => {
      for await (const entry of bus.data.read(Logs)) settled += entry.error === undefined ? 1 : 0;
    })();
    const results = await during(clock, bus.data.publishMany(Logs, documents()));
    await during(clock, counting);
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 20_000);
    let stored = 0;
    for await (const _ of bus.data.read(Logs)) stored += 1;
    assert.equal(stored, 20_001);
    await during(clock, bus.close());
  });

  it('rejects, and never throws, for wrong calls', async (test) => {
    const { clock, join } = world(test);
    const bus = await join();
    await during(clock, bus.data.publish(topic('parts', { partitions: 2 }), 1));
    const calls: readonly (() => Promise<unknown>)[] = [
      () => bus.events.publish(undefined as never, 1),
      () => bus.events.publish(topic('x'), 1, { nonsense: 1 } as never),
      () => bus.data.publish(topic('parts', { partitions: 3 }), 1),
      () => bus.events.publish(topic('keyed', { order: 'key' }), 1),
      () => bus.data.publishMany(undefined as never, []),
    ];
    for (const call of calls) await assert.rejects(during(clock, call()));
    await during(clock, bus.close());
  });
});
