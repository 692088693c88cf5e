import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { connect, topic, type Handle } from '@duobus/core';
import { intercept } from '../../src/intercept.ts';
import { memory } from '../support/memory.ts';
import { during, until, world } from '../support/memory-bus.ts';

interface Doc {
  readonly n: number;
  readonly k: string;
}

function docs(count: number, from = 0): Doc[] {
  return Array.from({ length: count }, (_, n) => ({ n: n + from, k: `k${(n + from) % 11}` }));
}

for (const half of ['events', 'data'] as const) {
  describe(`${half}: members that come and go`, () => {
    it('hand every document over once where they leave in peace, in the order of its key', async (test) => {
      const Orders = topic<Doc>('orders', { key: ({ k }) => k, order: 'key', partitions: 4 });
      const { clock, join } = world(test);
      const bus = await join();
      const seen = new Map<number, number>();
      const last = new Map<string, number>();
      const wrong: string[] = [];
      const causes = new Set<string>();
      const subscribe = async (): Promise<Handle> =>
        during(
          clock,
          bus[half].subscribe(
            Orders,
            'a',
            async ({ n, k }, { cause }) => {
              causes.add(cause);
              seen.set(n, (seen.get(n) ?? 0) + 1);
              await new Promise<void>((resolve) => clock.after(3, resolve));
              if ((last.get(k) ?? -1) > n) wrong.push(`${n} after ${last.get(k)}`);
              last.set(k, n);
            },
            { concurrency: 3 },
          ),
        );
      const members = [await subscribe()];
      await during(clock, bus[half].publishMany(Orders, docs(400)));
      for (let round = 0; round < 6; round += 1) {
        await clock.advance(20);
        members.push(await subscribe());
        await clock.advance(15);
        if (round % 2 === 0) await during(clock, members.shift()?.close() ?? Promise.resolve());
      }
      await until(clock, `all of 400 are handled, not ${seen.size}`, () => seen.size === 400);
      await clock.advance(1_000);
      assert.deepEqual(wrong, []);
      assert.deepEqual(
        [...seen].filter(([, times]) => times > 1),
        [],
      );
      assert.ok(!causes.has('takeover'), [...causes].join(' '));
      const owned = members.flatMap((member) => member.stats().partitions);
      assert.deepEqual(owned.toSorted(), [0, 1, 2, 3]);
      await during(clock, bus.close());
    });
  });
}

describe('a group', () => {
  const Orders = topic<Doc>('orders', { key: ({ k }) => k, partitions: 3 });

  it('is reset again and again while members come and go: the last reset holds', async (test) => {
    const { clock, join } = world(test);
    const bus = await join();
    await during(clock, bus.data.publishMany(Orders, docs(90)));
    const seen: string[] = [];
    const subscribe = (): Promise<Handle> =>
      during(
        clock,
        bus.data.subscribe(Orders, 'g', async (_, { epoch, cause }) => {
          await new Promise<void>((resolve) => clock.after(2, resolve));
          seen.push(`epoch ${epoch}: ${cause}`);
        }),
      );
    const members = [await subscribe(), await subscribe()];
    for (let round = 0; round < 5; round += 1) {
      const resets = [1, 2].map(() => bus.data.reset(Orders, 'g', 'earliest', { graceMs: 50 }));
      members.push(await subscribe());
      await during(clock, members.shift()?.close() ?? Promise.resolve());
      const results = await during(clock, Promise.all(resets));
      assert.deepEqual(
        results.map(({ superseded }) => superseded),
        [true, false],
      );
    }
    await during(clock, bus.data.reset(Orders, 'g', 'earliest'));
    await until(
      clock,
      'everything is handled again',
      async () => (await bus.data.lag(Orders, 'g')).records === 0,
    );
    const after = seen.filter((one) => one.startsWith('epoch 11:'));
    assert.equal(after.length, 90);
    assert.ok(after.every((one) => one.endsWith(' reset')));
    assert.equal(seen.at(-1)?.startsWith('epoch 11:'), true);
    await during(clock, bus.close());
  });

  it('repeats nothing of the partitions that a reset leaves where they are', async (test) => {
    const { clock, join } = world(test);
    const bus = await join();
    const seen: string[] = [];
    const positions = new Map<number, string>();
    await during(clock, bus.data.publishMany(Orders, docs(30)));
    await during(
      clock,
      bus.data.subscribe(
        Orders,
        'g',
        (_, { partition, position, epoch, cause }) => {
          positions.set(partition, position as string);
          seen.push(`partition ${partition}, epoch ${epoch}: ${cause}`);
        },
        { commitIntervalMs: 60_000 },
      ),
    );
    await until(clock, 'all are handled', () => seen.length === 30);
    const moved = { 1: positions.get(1) as string };
    await during(clock, bus.data.reset(Orders, 'g', { positions: moved }));
    await until(clock, 'the last of one is handled again', () => seen.length > 30);
    await clock.advance(10_000);
    assert.deepEqual(seen.slice(30), ['partition 1, epoch 1: reset']);
    await during(clock, bus.close());
  });

  it('begins added partitions at their first record, whatever its own start was', async (test) => {
    const { clock, join } = world(test);
    const bus = await join();
    await during(clock, bus.data.publishMany(Orders, docs(30)));
    const seen = new Set<number>();
    await during(
      clock,
      bus.data.subscribe(Orders, 'g', ({ n }) => seen.add(n), { from: 'latest' }),
    );
    await during(clock, bus.data.topics.alter(Orders, { partitions: 7 }));
    await during(
      clock,
      bus.data.publishMany(topic<Doc>('orders', { key: ({ k }) => k }), docs(60, 100)),
    );
    await until(clock, 'all new ones are handled', () => seen.size === 60);
    assert.ok(!seen.has(5));
    const positions = await during(clock, bus.data.pointers(Orders, 'g'));
    assert.equal(Object.keys(positions).length, 7);
    await during(clock, bus.close());
  });

  it('made at the latest while partitions are added loses nothing that is published afterwards', async (test) => {
    const { broker, clock, join } = world(test);
    const other = await join();
    const adapter = memory(broker);
    const adding = [6];
    const bus = await connect(
      {
        ...adapter,
        log: intercept(adapter.log as NonNullable<typeof adapter.log>, (log) => ({
          topics: async (...args) => {
            const partitions = adding.shift();
            if (partitions !== undefined) await other.data.topics.alter(Orders, { partitions });
            return log.topics(...args);
          },
        })),
      },
      { source: '/test' },
    );
    const Keyed = topic<Doc>('orders', { key: ({ k }) => k });
    await during(clock, bus.data.topics.ensure(Orders));
    await during(clock, other.data.topics.alter(Orders, { partitions: 5 }));
    const seen = new Set<number>();
    await during(
      clock,
      bus.data.subscribe(Keyed, 'g', ({ n }) => seen.add(n), { from: 'latest' }),
    );
    assert.equal(adding.length, 0);
    await during(clock, other.data.publishMany(Keyed, docs(60)));
    await until(clock, 'all are handled', () => seen.size === 60);
    await during(clock, Promise.all([bus.close(), other.close()]));
  });

  it('goes on after a redriven document was running while its partition moved', async (test) => {
    const { clock, join } = world(test);
    const bus = await join();
    let bad = true;
    const causes: string[] = [];
    await during(
      clock,
      bus.data.subscribe(
        Orders,
        'g',
        async (_, { cause, signal }) => {
          causes.push(cause);
          if (bad) throw new Error('no');
          if (causes.filter((one) => one === 'redrive').length === 1)
            await new Promise((_resolve, no) => signal.addEventListener('abort', no));
        },
        { maxAttempts: 1 },
      ),
    );
    await during(clock, bus.data.publish(Orders, { n: 1, k: 'a' }));
    const letters = bus.data.deadLetters(Orders, 'g');
    await until(clock, 'it is dead', async () => {
      for await (const letter of letters) return letter.reason === 'attempts';
      return false;
    });
    bad = false;
    assert.equal(await during(clock, letters.redrive()), 1);
    await until(clock, 'it runs', () => causes.includes('redrive'));
    await during(clock, bus.data.reset(Orders, 'g', 'latest'));
    await until(
      clock,
      'it is redriven again',
      () => causes.filter((one) => one === 'redrive').length === 2,
    );
    await during(clock, bus.close());
  });

  it('loses its redriven documents with its pointers when it is removed', async (test) => {
    const { clock, join } = world(test);
    const bus = await join();
    const seen: string[] = [];
    const subscribe = (fail: boolean): Promise<Handle> =>
      during(
        clock,
        bus.data.subscribe(
          Orders,
          'g',
          (_, { cause }) => {
            seen.push(cause);
            if (fail) throw new Error('no');
          },
          { maxAttempts: 1, from: 'latest' },
        ),
      );
    const handle = await subscribe(true);
    await during(clock, bus.data.publish(Orders, { n: 1, k: 'a' }));
    await until(clock, 'it is dead', () => handle.stats().deadLettered === 1);
    await during(clock, handle.close());
    await during(clock, bus.data.deadLetters(Orders, 'g').redrive());
    await assert.rejects(during(clock, bus.data.remove(Orders, 'g')), { code: 'DUOBUS_NOT_EMPTY' });
    await during(clock, bus.data.remove(Orders, 'g', { discard: true }));
    await subscribe(false);
    await clock.advance(30_000);
    assert.deepEqual(seen, ['first']);
    await during(clock, bus.close());
  });
});
