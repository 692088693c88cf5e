import type { Bus, Handle } from '@duobus/core';
import type { Ledger } from '../ledger.ts';
import type { ShopTopics } from '../topics.ts';
import type { Shop } from './shop.ts';

/** The smallest service there can be: a name and a handler. Mail and loyalty are of this kind. */
export function startListener(
  bus: Bus,
  topics: ShopTopics,
  shop: Shop,
  ledger: Ledger,
): Promise<Handle> {
  return bus.events.subscribe(topics.orderPlaced, ledger.service, (order) => {
    ledger.note(order.orderId, shop.publishedAt(order.orderId));
  });
}
