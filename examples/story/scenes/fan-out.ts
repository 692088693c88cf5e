import { startBilling, type VatRates } from '../services/billing.ts';
import { startListener } from '../services/listener.ts';
import { startShipping } from '../services/shipping.ts';
import { check, say, scene, until } from '../../telling.ts';
import type { Services } from '../services/running.ts';
import type { World } from '../world.ts';

export const knownRates: VatRates = { DE: 0.19, FR: 0.2, NL: 0.21 };
export const packingMs = 10;

/** Every service has its own queue, and reading removes. */
export async function fanOut(world: World): Promise<Services> {
  scene(
    'One publish, three services',
    'The shop publishes OrderPlaced once. Every subscription has a queue of its own and gets every order.',
  );
  const { shop, topics, ledgers } = world;
  const [billingBus, shippingBus, mailBus] = await Promise.all(
    ['billing', 'shipping', 'mail'].map((name) => world.service(name)),
  );
  if (billingBus === undefined || shippingBus === undefined || mailBus === undefined)
    throw new Error('three services were asked for');
  const billing = await startBilling(billingBus, topics, shop, ledgers.billing, knownRates);
  const belt = { packingMs, stuck: 0 };
  const shipping = await startShipping(shippingBus, topics, shop, ledgers.shipping, belt);
  await startListener(mailBus, topics, shop, ledgers.mail);

  await shop.sell(200);
  say('200 orders sold; publish resolved for each, so the broker holds them durably.');
  const { billing: invoices, shipping: parcels, mail: mails } = ledgers;
  await until(
    'billing, shipping and mail have handled 200 orders each',
    () => invoices.orders + parcels.orders + mails.orders === 600,
  );
  check(
    `billing wrote ${invoices.runs} invoices, shipping packed ${parcels.runs} parcels, mail sent ${mails.runs} mails: each of the 200 orders once per service`,
    invoices.runs === 200 && parcels.runs === 200 && mails.runs === 200,
    [invoices.runs, parcels.runs, mails.runs],
  );
  const names = ['billing', 'shipping', 'mail'];
  await until('the queues are empty', async () => (await depth(world, shippingBus, names)) === 0);
  check(
    'reading removes: the three queues hold 0 orders now',
    (await depth(world, shippingBus, names)) === 0,
  );
  return { billingBus, billing, shippingBus, shipping, belt };
}

type WithEvents = Services['shippingBus'];

async function depth(world: World, bus: WithEvents, names: readonly string[]): Promise<number> {
  const depths = await Promise.all(
    names.map((name) => bus.events.depth(world.topics.orderPlaced, name)),
  );
  return depths.reduce((sum, { total, dead }) => sum + total + dead, 0);
}
