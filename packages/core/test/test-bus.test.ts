import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { batch, memoryStore, reject, topic } from '../src/index.ts';
import type { Handler } from '../src/index.ts';
import { manualClock, testBus } from '../src/testing.ts';
import { numberSchema } from './support/prepare-context.ts';

interface Order {
  readonly orderId: string;
}

const orders = topic<Order>('orders', { key: (order) => order.orderId });

describe('testBus', () => {
  it('is idle when every handler has handled everything, on both buses', async () => {
    await using bus = await testBus();
    const seen: string[] = [];
    await bus.events.subscribe(orders, 'a', async (order) => {
      await new Promise((resolve) => setImmediate(resolve));
      seen.push(`event ${order.orderId}`);
    });
    await bus.data.subscribe(orders, 'a', (order) => void seen.push(`data ${order.orderId}`));
    await bus.events.publish(orders, { orderId: '1' });
    await bus.data.publish(orders, { orderId: '1' });
    await bus.idle();
    assert.deepEqual(seen.toSorted(), ['data 1', 'event 1']);
  });

  it('waits for what handlers publish', async () => {
    const paid = topic<Order>('paid');
    await using bus = await testBus();
    const seen: string[] = [];
    await bus.events.subscribe(orders, 'a', (order, delivery) => delivery.publish(paid, order));
    await bus.events.subscribe(paid, 'b', (order) => void seen.push(order.orderId));
    await bus.events.publish(orders, { orderId: '1' });
    await bus.idle();
    assert.deepEqual(seen, ['1']);
  });

  it('waits for batches', async () => {
    await using bus = await testBus();
    let size = 0;
    await bus.events.subscribe(
      orders,
      'a',
      batch((items) => void (size = items.length), { size: 10, waitMs: 50 }),
    );
    await bus.events.publishMany(orders, [{ orderId: '1' }, { orderId: '2' }]);
    await bus.idle();
    assert.equal(size, 2);
  });

  it('leaves retries to the clock', async () => {
    const clock = manualClock();
    await using bus = await testBus({ clock });
    const attempts: number[] = [];
    await bus.events.subscribe(
      orders,
      'a',
      (_order, delivery) => {
        attempts.push(delivery.attempt);
        if (delivery.attempt === 1) throw new Error('broken');
      },
      { backoff: { firstMs: 60_000, maxMs: 60_000 } },
    );
    await bus.events.publish(orders, { orderId: '1' });
    await bus.idle();
    assert.equal(bus.clock, clock);
    assert.deepEqual(attempts, [1]);
    await bus.clock.advance(60_000);
    await bus.idle();
    assert.deepEqual(attempts, [1, 2]);
  });

  it('shows what was published, on either bus, also by handlers', async () => {
    await using bus = await testBus({ source: '/shop' });
    await bus.events.publish(orders, { orderId: '1' }, { subject: 's' });
    await bus.data.publish(orders, { orderId: '2' });
    const found = bus.published(orders);
    assert.deepEqual(
      found.map((one) => [one.bus, one.document.orderId, one.key]),
      [
        ['event', '1', '1'],
        ['data', '2', '2'],
      ],
    );
    assert.equal(found[0]?.attributes.source, '/shop');
    assert.equal(found[0]?.attributes['subject'], 's');
    assert.deepEqual(bus.published(topic('other')), []);
  });

  it('sees nothing of another test bus', async () => {
    await using one = await testBus();
    await using other = await testBus();
    let seen = 0;
    await other.events.subscribe(orders, 'a', () => void (seen += 1));
    await one.events.publish(orders, { orderId: '1' });
    await other.idle();
    assert.equal(seen, 0);
    assert.deepEqual(other.published(orders), []);
  });

  it('refuses unknown options', async () => {
    await assert.rejects(testBus({ sauce: '/x' } as never), TypeError);
  });
});

describe('testBus: deliver', () => {
  it('calls a handler as a broker would', async () => {
    await using bus = await testBus();
    const handler: Handler<Order> = (order, delivery) => [
      order,
      delivery.attempt,
      delivery.cause,
      delivery.key,
      delivery.id,
      delivery.bus,
    ];
    const result = await bus.deliver(
      handler,
      { orderId: '1' },
      { topic: orders, attempt: 3, id: 'x', bus: 'data' },
    );
    assert.deepEqual(result, [{ orderId: '1' }, 3, 'retry', '1', 'x', 'data']);
  });

  it("runs the topic's schema", async () => {
    await using bus = await testBus();
    const numbers = topic('numbers', { schema: numberSchema('async') });
    assert.deepEqual(await bus.deliver((document) => document, { n: '1' }, { topic: numbers }), {
      n: 1,
    });
    await assert.rejects(
      bus.deliver((document) => document, { n: 'x' }, { topic: numbers }),
      { code: 'DUOBUS_INVALID' },
    );
  });

  it('rejects with what the handler throws', async () => {
    await using bus = await testBus();
    const refuse = (): never => {
      throw reject('no such customer');
    };
    await assert.rejects(bus.deliver(refuse, {}), { kind: 'reject', message: 'no such customer' });
  });

  it('lets the handler publish, with the document as cause', async () => {
    await using bus = await testBus();
    await bus.deliver(
      (_document, delivery) => delivery.publish(orders, { orderId: '2' }),
      {},
      { id: 'cause' },
    );
    assert.equal(bus.published(orders)[0]?.attributes['causationid'], 'cause');
  });

  it('runs an effect once', async () => {
    await using bus = await testBus({ store: memoryStore() });
    let runs = 0;
    const handler: Handler = (_document, delivery) => delivery.once('mail', () => (runs += 1));
    await bus.deliver(handler, {}, { id: 'x' });
    await bus.deliver(handler, {}, { id: 'x', attempt: 2 });
    assert.equal(runs, 1);
  });

  it('refuses wrong options', async () => {
    await using bus = await testBus();
    await assert.rejects(
      bus.deliver(() => 1, {}, { attempt: 0 }),
      TypeError,
    );
    await assert.rejects(
      bus.deliver(() => 1, {}, { atempt: 1 } as never),
      /'attempt'/,
    );
  });
});
