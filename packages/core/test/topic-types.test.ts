import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { DataBus } from '../src/data-bus.ts';
import { batch } from '../src/delivery.ts';
import type { EventBus } from '../src/event-bus.ts';
import type { StandardSchema } from '../src/standard-schema.ts';
import { topic } from '../src/topic.ts';

interface Order {
  readonly orderId: string;
  readonly total: number;
}

declare const Placed: StandardSchema<
  { orderId: string; at: string },
  { orderId: string; at: Date }
>;
declare const Paid: StandardSchema<{ orderId: string; cents: number }>;
declare const events: EventBus;
declare const data: DataBus;

type IsAny<T> = 0 extends 1 & T ? true : false;
type Same<A, B> =
  IsAny<A> extends true ? false : [A] extends [B] ? ([B] extends [A] ? true : false) : false;
function same<A, B>(_same: Same<A, B>): void {}

/** Never called: tsc is the judge. */
export async function typed(): Promise<void> {
  const Orders = topic<Order>('orders', { key: (order) => order.orderId });
  const Parsed = topic('parsed', { schema: Placed, key: (order) => order.at });
  const Many = topic('many', {
    key: (order) => order.orderId,
    types: { 'order.placed': Placed, 'order.paid': Paid },
  });
  // @ts-expect-error the key's document is an Order
  topic<Order>('orders', { key: (order) => order.nothing });

  await events.publish(Orders, { orderId: '1', total: 2 });
  await data.publish(Orders, { orderId: '1', total: 2 }, { key: '7' });
  // @ts-expect-error total is missing
  await events.publish(Orders, { orderId: '1' });
  // @ts-expect-error total must be a number
  await data.publish(Orders, { orderId: '1', total: '2' });
  // @ts-expect-error unknown property
  await events.publish(Orders, { orderId: '1', total: 2, more: 3 });

  await events.publish(Parsed, { orderId: '1', at: '2026-01-01' });
  // @ts-expect-error the input of the schema is published, not its output
  await events.publish(Parsed, { orderId: '1', at: new Date() });
  await events.publish(Many, { orderId: '1', cents: 1 }, { type: 'order.paid' });
  await events.publishMany(Orders, [
    { orderId: '1', total: 2 },
    { document: { orderId: '1', total: 2 }, options: { id: 'x' } },
  ]);
  // @ts-expect-error not an Order
  await events.publishMany(Orders, [{ orderId: 1 }]);

  await events.subscribe(Orders, 'a', (order, delivery) => {
    same<typeof order, Order>(true);
    same<typeof delivery.attempt, number>(true);
    return delivery.publish(Parsed, { orderId: '1', at: 'x' });
  });
  await events.subscribe(Parsed, 'a', (order) => same<typeof order.at, Date>(true));
  await data.subscribe(Many, 'a', (order) => {
    same<typeof order, { orderId: string; at: Date } | { orderId: string; cents: number }>(true);
  });
  await data.subscribe(Many, 'a', {
    'order.placed': (order) => same<typeof order.at, Date>(true),
    'order.paid': (order) => same<typeof order.cents, number>(true),
  });
  // @ts-expect-error 'order.gone' is not a type of the topic
  await events.subscribe(Many, 'a', { 'order.gone': () => undefined });
  // @ts-expect-error handlers by type are for topics made with types
  await events.subscribe(Orders, 'a', { orders: () => undefined });
  await events.subscribe([Orders, Parsed], 'a', (order) => {
    same<typeof order, Order | { orderId: string; at: Date }>(true);
  });
  await data.subscribe([Many, topic('other', { types: { gone: Paid } })], 'a', {
    'order.placed': (order) => same<typeof order.at, Date>(true),
    gone: (order) => same<typeof order.cents, number>(true),
  });
  await events.subscribe(
    Orders,
    'a',
    batch((items) => same<(typeof items)[number]['document'], Order>(true), { size: 2 }),
  );
  await events.subscribe(
    [Orders, Parsed],
    'a',
    batch(async (items) =>
      same<(typeof items)[number]['document'], Order | { orderId: string; at: Date }>(true),
    ),
  );
  await events.unsubscribe(Orders, 'a');
  await events.depth(Many, 'a');
  for await (const entry of data.read(Parsed)) {
    if (entry.error === undefined) same<typeof entry.document, { orderId: string; at: Date }>(true);
  }
}

describe('topic types', () => {
  it('infers documents, keys and handlers', () => assert.equal(typeof typed, 'function'));
});
