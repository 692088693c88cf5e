import { jammedMs, places, startShipping } from '../services/shipping.ts';
import type { Services } from '../services/running.ts';
import { ms } from '../../figures.ts';
import { check, say, scene, until } from '../../telling.ts';
import type { World } from '../world.ts';
import { packingMs } from './fan-out.ts';

/** A subscription is durable: it collects while its service is away, and takes back what was in its hands. */
export async function crash(world: World, services: Services): Promise<void> {
  scene(
    'A service dies in the middle of its work',
    'The packing belt jams, and then the process is cut off. Orders keep coming in. Nothing may be lost.',
  );
  const { shop, topics, ledgers } = world;
  const parcels = ledgers.shipping;
  const packed = parcels.orders;
  const selling = shop.sell(150);
  await until('shipping is in the middle of it', () => parcels.orders > packed + 10);
  services.belt.packingMs = jammedMs;
  await until('the belt is full of stuck parcels', () => services.belt.stuck === places);
  await world.cutOff(services.shippingBus);
  await selling;
  const missing = parcels.missing(shop.orderIds).length;
  say(`Shipping is gone: ${parcels.interrupted} parcels half packed, ${missing} orders to go.`);
  check(
    `it died in the middle: ${parcels.interrupted} of its handlers were cut off`,
    parcels.interrupted > 0,
  );
  await until(
    'mail has handled every order',
    () => ledgers.mail.missing(shop.orderIds).length === 0,
  );
  check(
    'mail did not notice: it has handled every order while shipping was dead',
    ledgers.mail.missing(shop.orderIds).length === 0,
  );
  const kept = async (): Promise<number> =>
    (await services.billingBus.events.depth(topics.orderPlaced, 'shipping')).ready;
  await until('the queue of shipping has them', async () => (await kept()) >= missing);
  const ready = await kept();
  check(`the queue of shipping kept them: ${ready} orders ready`, ready >= missing, {
    ready,
    missing,
  });

  const began = performance.now();
  await startShipping(await world.service('shipping'), topics, shop, parcels, {
    packingMs,
    stuck: 0,
  });
  await until('shipping has caught up', () => parcels.missing(shop.orderIds).length === 0);
  say(`Shipping is back and caught up ${missing} orders in ${ms(performance.now() - began)}.`);
  check(
    `0 of ${shop.orderIds.length} orders lost, ${parcels.runs - parcels.orders} packed twice`,
    parcels.missing(shop.orderIds).length === 0,
  );
}
