import { setTimeout as sleep } from 'node:timers/promises';
import type { Bus, Handle } from '@duobus/core';
import type { Ledger } from '../ledger.ts';
import type { ShopTopics } from '../topics.ts';
import type { Shop } from './shop.ts';

/** Where parcels are packed: as slowly as it says, and it can jam. */
export interface Belt {
  packingMs: number;
  /** Parcels that are stuck on it. */
  stuck: number;
}

/** What packing takes on a jammed belt. */
export const jammedMs = 60_000;

export const places = 16;

/** Packs parcels, which takes its time. A parcel that is cut off half packed counts as not packed. */
export function startShipping(
  bus: Bus,
  topics: ShopTopics,
  shop: Shop,
  ledger: Ledger,
  belt: Belt,
): Promise<Handle> {
  return bus.events.subscribe(
    topics.orderPlaced,
    'shipping',
    async (order, delivery) => {
      delivery.signal.addEventListener('abort', () => ledger.interrupt(), { once: true });
      if (belt.packingMs === jammedMs) belt.stuck += 1;
      await sleep(belt.packingMs, undefined, { signal: delivery.signal });
      ledger.note(order.orderId, shop.publishedAt(order.orderId));
    },
    { concurrency: places, prefetch: 32 },
  );
}
