import type { Bus, Handle } from '@duobus/core';
import type { Ledger } from '../ledger.ts';
import type { OrderPlaced, ShopTopics } from '../topics.ts';
import type { Shop } from './shop.ts';

export type VatRates = Readonly<Record<string, number>>;

/** Writes an invoice for every order. Throws for a country whose VAT rate it does not know: a failed attempt. */
export function startBilling(
  bus: Bus,
  topics: ShopTopics,
  shop: Shop,
  ledger: Ledger,
  rates: VatRates,
): Promise<Handle> {
  const invoice = (order: OrderPlaced): void => {
    const rate = rates[order.country];
    if (rate === undefined) throw new Error(`no VAT rate for ${order.country}`);
    ledger.note(order.orderId, shop.publishedAt(order.orderId));
  };
  return bus.events.subscribe(topics.orderPlaced, 'billing', invoice, {
    maxAttempts: 3,
    backoff: { firstMs: 50, maxMs: 200 },
  });
}
