import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BusError, connect, topic, type Bus } from '@duobus/core';
import { memory } from '../support/memory.ts';
import { during, until, world, type World } from '../support/memory-bus.ts';

const Orders = topic<{ n: number }>('orders', { key: ({ n }) => `k${n % 5}`, order: 'key' });

/** Publishes until it is stored: again with the same id when it is not known. */
async function publishAll(bus: Bus, half: 'events' | 'data', count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    for (;;) {
      try {
        await bus[half].publish(Orders, { n }, { id: `id-${n}` });
        break;
      } catch (error) {
        if (!BusError.is(error) || !error.retryable) throw error;
      }
    }
  }
}

async function storm(
  { broker, clock }: World,
  kind: 'cut' | 'restart',
  done: () => boolean,
): Promise<void> {
  for (let n = 0; n < 25 && (n < 6 || !done()); n += 1) {
    await clock.advance(1 + ((n * 37) % 90));
    if (kind === 'cut') broker.cut();
    else {
      broker.stop();
      await clock.advance(200);
      broker.start();
    }
  }
}

for (const half of ['events', 'data'] as const) {
  for (const kind of ['cut', 'restart'] as const) {
    describe(`${half}: a connection that is ${kind === 'cut' ? 'cut' : 'away'} again and again`, () => {
      it('loses nothing, keeps the order of keys and blames no document', async (test) => {
        const at = world(test);
        const bus = await at.join();
        const finished = new Map<number, number>();
        const order: string[] = [];
        let runs = 0;
        const handle = await during(
          at.clock,
          bus[half].subscribe(
            Orders,
            'a',
            async ({ n }, delivery) => {
              runs += 1;
              const before = [...finished.keys()].filter((m) => m % 5 === n % 5 && m > n);
              if (!finished.has(n) && before.length > 0) order.push(`${n} after ${before.join()}`);
              await new Promise<void>((resolve) => at.clock.after(7, resolve));
              if (runs % 6 === 0) throw new Error('no');
              finished.set(n, delivery.attempt);
            },
            { maxAttempts: 30, backoff: { maxMs: 20 }, concurrency: 4 },
          ),
        );
        const count = 60;
        let published = false;
        const publishing = publishAll(bus, half, count).then(() => (published = true));
        await storm(at, kind, () => published && finished.size === count);
        await during(at.clock, publishing, 600_000);
        await until(
          at.clock,
          `all are handled, ${count - finished.size} are missing: ${JSON.stringify(handle.stats())} ${handle.detail}`,
          () => finished.size === count,
          600_000,
        );
        assert.deepEqual(order, []);
        const letters = [];
        for await (const letter of bus[half].deadLetters(Orders, 'a')) letters.push(letter.message);
        assert.deepEqual(letters, []);
        await until(at.clock, 'it runs again', () => handle.state === 'running');
        await at.clock.advance(2_000);
        const { running, buffered, held } = handle.stats();
        assert.deepEqual([running, buffered, held], [0, 0, 0]);
        assert.ok(handle.stats().reconnects >= 1, `${handle.stats().reconnects} reconnects`);
        await during(at.clock, bus.close());
        assert.equal(at.clock.next, undefined, 'a timer is left');
      });
    });
  }
}

describe('what vanished', () => {
  it('ends the handle of a subscription that was removed, and is not made again', async (test) => {
    const { broker, clock, join } = world(test);
    const bus = await join();
    const handle = await bus.events.subscribe(Orders, 'a', () => undefined);
    broker.stop();
    await clock.advance(10);
    broker.removeTopic('event', 'orders');
    broker.start();
    await assert.rejects(during(clock, handle.done), { code: 'DUOBUS_NOT_FOUND' });
    assert.equal(handle.state, 'closed');
    await during(clock, bus.close());
  });

  it('ends the handle of a subscription that was removed while its consumer was away', async (test) => {
    const { broker, clock, join } = world(test);
    const adapter = memory(broker);
    const bus = await connect(adapter, { source: '/test' });
    const other = await join();
    const handle = await bus.events.subscribe(Orders, 'a', () => undefined);
    broker.cut(adapter);
    await other.events.unsubscribe(Orders, 'a');
    await assert.rejects(during(clock, handle.done), { code: 'DUOBUS_NOT_FOUND' });
    assert.deepEqual(await other.events.subscriptions(Orders), []);
    await during(clock, Promise.all([bus.close(), other.close()]));
  });

  it('ends the handle of a group that was removed while its member was away', async (test) => {
    const { broker, clock, join } = world(test);
    const bus = await join();
    const other = await join();
    const handle = await during(
      clock,
      bus.data.subscribe(Orders, 'g', () => undefined),
    );
    const native = broker.data;
    broker.cut();
    const [stored] = native.list(['orders']);
    assert.ok(stored !== undefined);
    native.get(stored).removeGroup('g');
    await assert.rejects(during(clock, handle.done), { code: 'DUOBUS_NOT_FOUND' });
    assert.deepEqual(await during(clock, other.data.groups(Orders)), []);
    await during(clock, Promise.all([bus.close(), other.close()]));
  });
});
