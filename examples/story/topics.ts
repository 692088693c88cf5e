import { type Topic, topic } from '@duobus/core';

/** A document is self-contained: whoever reads it, now or next year, has to ask nobody what it means. */
export interface OrderPlaced {
  readonly orderId: string;
  /** Counts up in the order of the purchases. */
  readonly number: number;
  readonly customer: string;
  readonly country: string;
  readonly item: string;
  readonly quantity: number;
  readonly unitCents: number;
}

export interface ShopTopics {
  /** Event bus: who has to do something about an order. */
  readonly orderPlaced: Topic<OrderPlaced>;
  /** Data bus: the record of all orders, kept for whoever wants to read it. */
  readonly orders: Topic<OrderPlaced>;
}

const day = 24 * 60 * 60 * 1000;

/** Names carry the run, so that the story can be told twice on one broker. */
export function shopTopics(run: string): ShopTopics {
  return {
    orderPlaced: topic<OrderPlaced>(`order-placed-${run}`, { type: 'shop.order.placed' }),
    orders: topic<OrderPlaced>(`orders-${run}`, {
      type: 'shop.order.placed',
      key: (order) => order.customer,
      retention: { maxAgeMs: 7 * day },
    }),
  };
}
