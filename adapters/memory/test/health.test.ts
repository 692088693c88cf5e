import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { connect, topic } from '@duobus/core';
import { memory } from '../src/index.ts';

const Orders = topic<{ n: number }>('orders');
const options = { source: '/test', stuckAfterMs: 100 } as const;

/** Health once it is as wanted. */
async function until<T>(look: () => Promise<T>, wanted: (found: T) => boolean): Promise<T> {
  for (let looks = 1; ; looks += 1) {
    const found = await look();
    if (wanted(found)) return found;
    if (looks > 500) throw new Error(`in vain, last seen: ${JSON.stringify(found)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('health', () => {
  it('is bad while documents wait and none is handled, and good when they are', async () => {
    await using bus = await connect(memory(), options);
    for (const kind of ['events', 'data'] as const) {
      const handle = await bus[kind].subscribe(Orders, 'billing', () => undefined);
      handle.pause();
      await bus[kind].publish(Orders, { n: 1 });
      const bad = await until(
        () => bus.health(),
        ({ ok }) => !ok,
      );
      const [found] = bad.handles.filter(({ ok }) => !ok);
      assert.match(found?.detail ?? '', /none has been handled for 100 ms/);
      handle.resume();
      await until(
        () => bus.health(),
        ({ ok }) => ok,
      );
    }
  });

  it('asks the broker about some idle consumers at a time, however many there are', async () => {
    const adapter = memory();
    const { queue } = adapter;
    assert.ok(queue);
    let running = 0;
    let most = 0;
    const inspect = queue.inspect.bind(queue);
    queue.inspect = async (...args) => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      return inspect(...args);
    };
    await using bus = await connect(adapter, options);
    const names = Array.from({ length: 100 }, (_, n) => `s${n}`);
    await Promise.all(names.map((name) => bus.events.subscribe(Orders, name, () => undefined)));
    await until(
      () => bus.health(),
      () => most > 0,
    );
    assert.ok(most <= 16, `${most} at a time`);
  });
});
