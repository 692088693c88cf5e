import { setTimeout as sleep } from 'node:timers/promises';
import type { Bus, Handle } from '@duobus/core';
import type { Ledger } from '../ledger.ts';
import type { ShopTopics } from '../topics.ts';
import type { Shop } from './shop.ts';

/** Packs parcels, which takes its time. Hands in its work through the signal when its process is told to end. */
export function startShipping(
  bus: Bus,
  topics: ShopTopics,
  shop: Shop,
  ledger: Ledger,
  packingMs: number,
): Promise<Handle> {
  return bus.events.subscribe(
    topics.orderPlaced,
    'shipping',
    async (order, delivery) => {
      await sleep(packingMs, undefined, { signal: delivery.signal });
      ledger.note(order.orderId, shop.publishedAt(order.orderId));
    },
    { concurrency: 8, prefetch: 32 },
  );
}
