import { startListener } from '../services/listener.ts';
import { check, say, scene, until } from '../../telling.ts';
import type { World } from '../world.ts';

/** The event bus has no history: who comes later sees what is published from then on. */
export async function lateSubscriber(world: World): Promise<void> {
  scene(
    'A service that comes later',
    'Loyalty points are introduced today. An event bus is about what happens from now on, so loyalty starts empty.',
  );
  const { shop, ledgers, topics } = world;
  const before = shop.orderIds.length;
  await startListener(await world.service('loyalty'), topics, shop, ledgers.loyalty);
  await shop.sell(50);
  const fresh = shop.orderIds.slice(before);
  say(`${before} orders were sold before loyalty subscribed, 50 after.`);
  await until(
    'loyalty has handled the 50 new orders',
    () => ledgers.loyalty.missing(fresh).length === 0,
  );
  const old = shop.orderIds.slice(0, before).filter((orderId) => ledgers.loyalty.has(orderId));
  check(
    `loyalty saw all 50 new orders and ${old.length} of the ${before} old ones`,
    old.length === 0 && ledgers.loyalty.orders === 50,
    old.length,
  );
}
