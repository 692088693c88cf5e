import type { DeadLetter } from '@duobus/core';
import type { Services } from '../services/running.ts';
import { startBilling } from '../services/billing.ts';
import { check, say, scene, until } from '../../telling.ts';
import type { World } from '../world.ts';
import { knownRates } from './fan-out.ts';

/** What cannot be handled is kept aside with its reason, and comes back when asked for. */
export async function deadLetter(world: World, { billingBus, billing }: Services): Promise<void> {
  scene(
    'An order that cannot be handled',
    'An order from Austria comes in, and billing does not know that VAT rate. It must neither be lost nor hold up the others.',
  );
  const { shop, topics, ledgers } = world;
  const invoices = ledgers.billing;
  const { order } = await shop.sellOne({ country: 'AT' });
  await shop.sell(20);
  const others = shop.orderIds.filter((orderId) => orderId !== order.orderId);
  await until('billing has handled the others', () => invoices.missing(others).length === 0);
  const dead = billingBus.events.deadLetters(topics.orderPlaced, 'billing');
  await until('the order is a dead letter', () => billing.stats().deadLettered === 1);
  const letters: DeadLetter[] = [];
  for await (const letter of dead) letters.push(letter);
  const [letter] = letters;
  check(
    `after ${letter?.attempts} attempts it is the only dead letter of billing: "${letter?.message}"`,
    letters.length === 1 && letter?.id === order.orderId && letter.attempts === 3,
    letters,
  );
  check(
    'the 20 orders after it were invoiced meanwhile, and mail handled it like any other',
    invoices.missing(others).length === 0 &&
      !invoices.has(order.orderId) &&
      ledgers.mail.has(order.orderId),
  );

  await billing.close();
  await startBilling(billingBus, topics, shop, invoices, { ...knownRates, AT: 0.2 });
  const redriven = await dead.redrive();
  await until('the redriven order is invoiced', () => invoices.has(order.orderId));
  say(
    `Billing was mended and deployed anew; ${redriven} dead letter was redriven, to billing alone.`,
  );
  await until(
    'billing has no dead letters',
    async () => (await billingBus.events.depth(topics.orderPlaced, 'billing')).dead === 0,
  );
  check(
    'the order from Austria is invoiced, and billing has 0 dead letters',
    redriven === 1 && invoices.missing(shop.orderIds).length === 0,
  );
}
