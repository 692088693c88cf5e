import { type Topic, topic } from '@duobus/core';

/** Documents are self-contained: whoever reads one, now or next year, has to ask nobody what it means. */
export interface OrderPlaced {
  readonly orderId: string;
  /** Counts up over all orders. */
  readonly number: number;
  readonly customer: string;
  readonly item: string;
  readonly quantity: number;
  readonly unitCents: number;
}

export interface OrderPaid {
  readonly orderId: string;
  readonly customer: string;
  readonly item: string;
  readonly quantity: number;
  readonly cents: number;
}

export interface OrderRefused {
  readonly orderId: string;
  readonly customer: string;
  readonly reason: string;
}

export interface OrderShipped {
  readonly orderId: string;
  readonly customer: string;
  readonly parcel: string;
}

/** What happens to orders, each told by an event of its own. */
export interface Happenings {
  readonly placed: OrderPlaced;
  readonly paid: OrderPaid;
  readonly refused: OrderRefused;
  readonly shipped: OrderShipped;
}

/** The same as the journal keeps it. */
export type JournalEntry = {
  [What in keyof Happenings]: { readonly what: What } & Happenings[What];
}[keyof Happenings];

/** Event bus: one customer's orders are paid in the order they were placed. */
export type EventTopics = { readonly [What in keyof Happenings]: Topic<Happenings[What]> };

export interface ShopTopics extends EventTopics {
  /** Data bus: all that happened, kept for whoever wants to know. */
  readonly journal: Topic<JournalEntry>;
}

const day = 24 * 60 * 60 * 1_000;

/** Names carry the run, so that one broker can see many. */
export function shopTopics(run: string): ShopTopics {
  return {
    placed: topic<OrderPlaced>(`placed-${run}`, { key: ({ customer }) => customer, order: 'key' }),
    paid: topic<OrderPaid>(`paid-${run}`),
    refused: topic<OrderRefused>(`refused-${run}`),
    shipped: topic<OrderShipped>(`shipped-${run}`),
    journal: topic<JournalEntry>(`journal-${run}`, {
      key: ({ customer }) => customer,
      retention: { maxAgeMs: 7 * day },
    }),
  };
}
