import { type Bus, type Handle, type IdempotenceStore, idempotent } from '@duobus/core';
import type { Ledger } from '../ledger.ts';
import type { OrderPlaced, ShopTopics } from '../topics.ts';
import type { Shop } from './shop.ts';

/** A read model: what a service has made of the documents it has read. This one adds up, so repeating would show. */
export interface RevenueModel {
  cents: number;
  orders: number;
}

export interface AnalyticsVersion {
  /** Names the effect of this handler: a mended handler takes a new one, so that a replay runs it again. */
  readonly scope: string;
  readonly amount: (order: OrderPlaced) => number;
  readonly model: RevenueModel;
}

/** What analytics does to the world, and what it has seen of the order of documents. */
export interface AnalyticsLog {
  /** Thank-you mails sent, by customer and order: must never be sent twice. */
  readonly mails: string[];
  /** Order numbers by customer, as they were handed over the first time. */
  readonly byCustomer: Map<string, number[]>;
}

export interface AnalyticsParts {
  readonly bus: Bus;
  readonly topics: ShopTopics;
  readonly shop: Shop;
  readonly ledger: Ledger;
  readonly store: IdempotenceStore;
  readonly log: AnalyticsLog;
}

/** Keeps a read model on the data bus. The group's pointer starts at the beginning of history. */
export function startAnalytics(parts: AnalyticsParts, version: AnalyticsVersion): Promise<Handle> {
  const { bus, topics, shop, ledger, store, log } = parts;
  const joined = performance.now();
  const handler = idempotent<OrderPlaced>(
    async (order, delivery) => {
      await delivery.once('thank-you-mail', () =>
        log.mails.push(`${order.customer} ${order.orderId}`),
      );
      if (delivery.cause === 'first') append(log.byCustomer, order);
      version.model.cents += version.amount(order);
      version.model.orders += 1;
      const publishedAt = shop.publishedAt(order.orderId);
      ledger.note(
        order.orderId,
        publishedAt === undefined || publishedAt < joined ? undefined : publishedAt,
      );
    },
    { store, scope: version.scope },
  );
  return bus.data.subscribe(topics.orders, 'analytics', handler, { from: 'earliest' });
}

function append(byCustomer: Map<string, number[]>, order: OrderPlaced): void {
  const numbers = byCustomer.get(order.customer);
  if (numbers === undefined) byCustomer.set(order.customer, [order.number]);
  else numbers.push(order.number);
}
