import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { batch, type Middleware, topic } from '../src/index.ts';
import { testBus } from '../src/testing.ts';

const orders = topic<string>('orders');

describe('middleware', () => {
  it('runs around what is subscribed after it, the first outermost', async () => {
    await using bus = await testBus();
    const seen: string[] = [];
    const layer =
      (name: string): Middleware =>
      async ({ id }, next) => {
        seen.push(`${name} before ${id}`);
        await next();
        seen.push(`${name} after`);
      };
    await bus.events.subscribe(orders, 'earlier', () => undefined);
    bus.use(layer('outer')).use(layer('inner'));
    await bus.events.subscribe(orders, 'later', (order) => seen.push(`handles ${order}`));
    await bus.events.publish(orders, 'tea', { id: '1' });
    await bus.idle();
    assert.deepEqual(seen, [
      'outer before 1',
      'inner before 1',
      'handles tea',
      'inner after',
      'outer after',
    ]);
  });

  it('fails the run when it throws, and the handler is not called', async () => {
    await using bus = await testBus();
    bus.use(({ attempt }, next) => {
      if (attempt === 1) throw new Error('not yet');
      return next();
    });
    const attempts: number[] = [];
    const dayMs = 86_400_000; // with full jitter a short delay can be none at all
    await bus.events.subscribe(orders, 'mail', (_, { attempt }) => attempts.push(attempt), {
      backoff: { firstMs: dayMs, maxMs: dayMs },
    });
    await bus.events.publish(orders, 'tea');
    await bus.idle();
    assert.deepEqual(attempts, []);
    await bus.clock.advance(dayMs);
    await bus.idle();
    assert.deepEqual(attempts, [2]);
  });

  it('does not run around batches, which have no delivery of their own', async () => {
    await using bus = await testBus();
    let runs = 0;
    bus.use((_, next) => {
      runs += 1;
      return next();
    });
    const handled: string[] = [];
    const handler = batch<string>((items) => void handled.push(...items.map((i) => i.document)));
    await bus.events.subscribe(orders, 'search', handler);
    await bus.events.publish(orders, 'tea');
    await bus.idle();
    assert.deepEqual([handled, runs], [['tea'], 0]);
  });
});
