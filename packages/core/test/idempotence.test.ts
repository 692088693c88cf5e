import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { idempotent, memoryStore, retryAfter, topic } from '../src/index.ts';
import { testBus } from '../src/testing.ts';

const orders = topic<string>('orders', { key: (order) => order });

describe('idempotent, on a bus', () => {
  it('does not repeat an effect when a group is reset, and repeats it under another scope', async () => {
    await using bus = await testBus();
    const store = memoryStore();
    const effects: string[] = [];
    let delivered = 0;
    bus.use((_delivery, next) => {
      delivered += 1;
      return next();
    });
    const handler = (scope: string) =>
      idempotent((order: string) => void effects.push(`${scope} ${order}`), { store, scope });
    const first = await bus.data.subscribe(orders, 'a', handler('v1'));
    await bus.data.publish(orders, '1');
    await bus.data.publish(orders, '2');
    await bus.idle();
    await bus.data.reset(orders, 'a', 'earliest');
    await bus.idle();
    assert.equal(delivered, 4);
    assert.deepEqual(effects.toSorted(), ['v1 1', 'v1 2']);
    await first.close();
    await bus.data.subscribe(orders, 'a', handler('v2'));
    await bus.data.reset(orders, 'a', 'earliest');
    await bus.idle();
    assert.deepEqual(effects.toSorted(), ['v1 1', 'v1 2', 'v2 1', 'v2 2']);
  });

  it('runs an effect for each group and each bus', async () => {
    await using bus = await testBus();
    const store = memoryStore();
    const effects: string[] = [];
    const handler = idempotent(
      (_order: string, { bus: of, name }) => void effects.push(`${of} ${name}`),
      { store, scope: 's' },
    );
    await bus.data.subscribe(orders, 'a', handler);
    await bus.data.subscribe(orders, 'b', handler);
    await bus.events.subscribe(orders, 'a', handler);
    await bus.data.publish(orders, '1', { id: 'same' });
    await bus.events.publish(orders, '1', { id: 'same' });
    await bus.idle();
    assert.deepEqual(effects.toSorted(), ['data a', 'data b', 'event a']);
  });

  it('takes a publish of one id again for a repetition', async () => {
    await using bus = await testBus();
    let effects = 0;
    const handler = idempotent(() => void (effects += 1), { store: memoryStore(), scope: 's' });
    await bus.events.subscribe(orders, 'a', handler);
    await bus.events.publish(orders, '1', { id: 'same' });
    await bus.events.publish(orders, '1', { id: 'same' });
    await bus.idle();
    assert.equal(effects, 1);
    assert.equal((await bus.events.depth(orders, 'a')).total, 0);
  });

  it('is refused with a store that forgets before the topic does', async () => {
    await using bus = await testBus();
    const short = memoryStore({ keepsForMs: 60_000 });
    const handler = idempotent(() => undefined, { store: short, scope: 's' });
    await assert.rejects(bus.data.subscribe(orders, 'a', handler), TypeError);
  });
});

describe('delivery.once, on a bus', () => {
  it('guards one effect in a handler that runs again', async () => {
    await using bus = await testBus({ store: memoryStore() });
    const seen: string[] = [];
    await bus.events.subscribe(orders, 'a', async (_order, delivery) => {
      await delivery.once('mail', () => seen.push('mail'));
      seen.push(`attempt ${delivery.attempt}`);
      if (delivery.attempt === 1) throw retryAfter(1000);
    });
    await bus.events.publish(orders, '1');
    await bus.idle();
    await bus.clock.advance(1000);
    await bus.idle();
    assert.deepEqual(seen, ['mail', 'attempt 1', 'attempt 2']);
  });
});
