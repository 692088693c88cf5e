import { startShipping } from '../services/shipping.ts';
import type { Services } from '../services/running.ts';
import { ms } from '../ledger.ts';
import { check, say, scene, until } from '../story.ts';
import type { World } from '../world.ts';
import { packingMs } from './fan-out.ts';

/** A subscription is durable: it collects while its service is away, and takes back what was in its hands. */
export async function crash(world: World, services: Services): Promise<void> {
  scene(
    'A service dies in the middle of its work',
    'Shipping is cut off with parcels half packed, and orders keep coming in. Nothing may be lost.',
  );
  const { shop, topics, ledgers } = world;
  const parcels = ledgers.shipping;
  const packed = parcels.orders;
  const selling = shop.sell(150);
  await until('shipping is in the middle of it', () => parcels.orders > packed + 10);
  await services.shippingBus.close({ graceMs: 0 });
  await selling;
  const missing = parcels.missing(shop.orderIds).length;
  say(
    `Shipping is gone. ${missing} orders are not packed yet; billing, mail and loyalty did not notice.`,
  );
  check('orders were waiting for shipping when it died', missing > 0);
  await until(
    'mail has handled every order',
    () => ledgers.mail.missing(shop.orderIds).length === 0,
  );
  check(
    'mail has handled every order although shipping was dead',
    ledgers.mail.missing(shop.orderIds).length === 0,
  );
  const { ready, total } = await services.billingBus.events.depth(topics.orderPlaced, 'shipping');
  check(`the queue of shipping kept them: ${ready} orders ready`, total >= missing, {
    ready,
    total,
    missing,
  });

  const began = performance.now();
  await startShipping(await world.service('shipping'), topics, shop, parcels, packingMs);
  await until('shipping has caught up', () => parcels.missing(shop.orderIds).length === 0);
  say(`Shipping is back and caught up ${missing} orders in ${ms(performance.now() - began)}.`);
  check(
    `0 of ${shop.orderIds.length} orders lost, ${parcels.runs - parcels.orders} packed twice`,
    parcels.missing(shop.orderIds).length === 0,
  );
}
