import type { Bus } from '@duobus/core';
import { ms, quantile } from '../figures.ts';
import type { Ledger } from './ledger.ts';
import { check, say, title, until } from '../telling.ts';
import type { World } from './world.ts';

/** Counts once more, over everything, and prints the figures of the run. */
export async function summary(world: World, bus: Bus): Promise<void> {
  const { shop, topics, ledgers } = world;
  const { loyalty: _, ...complete } = ledgers;
  const all = shop.orderIds;
  const everyone = Object.values(complete);
  await until('every service has handled every order', () =>
    everyone.every((ledger) => ledger.missing(all).length === 0),
  );
  const lost = everyone.reduce((sum, ledger) => sum + ledger.missing(all).length, 0);
  const names = await bus.events.subscriptions(topics.orderPlaced);
  await until('all queues are empty', async () => (await left(bus, world, names)) === 0);
  await until('analytics is at the end', async () => (await behind(bus, world)) === 0);

  console.log('');
  title('In figures');
  say(`published   ${all.length} orders on each of two buses, ${2 * all.length} documents`);
  for (const ledger of Object.values(ledgers)) say(line(ledger, notes[ledger.service]));
  say(
    `left over   ${await left(bus, world, names)} in ${names.length} queues; analytics is ${await behind(bus, world)} orders behind`,
  );
  check(`lost 0 of ${everyone.length * all.length} hand-overs that were due`, lost === 0, lost);
  const complaints = await world.complaints();
  check('every service is healthy', complaints.length === 0, complaints);
}

const notes: Readonly<Record<string, string>> = {
  shipping: 'it packs slowly, and was dead for a while',
  loyalty: 'subscribed later',
  analytics: 'of orders placed after it joined',
};

function line(ledger: Ledger, note: string | undefined): string {
  const { latencies, orders, runs, service } = ledger;
  const repeated = runs === orders ? '' : `, ${runs - orders} runs were repetitions`;
  const lag = `publish to handled: half within ${ms(quantile(latencies, 0.5))}, 99 % within ${ms(quantile(latencies, 0.99))}`;
  return `${service.padEnd(11)} handled ${orders} orders${repeated}; ${lag}${note === undefined ? '' : ` (${note})`}`;
}

async function behind(bus: Bus, world: World): Promise<number> {
  return (await bus.data.lag(world.topics.orders, 'analytics')).records;
}

async function left(bus: Bus, world: World, names: readonly string[]): Promise<number> {
  const depths = await Promise.all(
    names.map((name) => bus.events.depth(world.topics.orderPlaced, name)),
  );
  return depths.reduce((sum, { total, dead }) => sum + total + dead, 0);
}
