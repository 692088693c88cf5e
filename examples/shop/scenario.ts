import { type Bus, connect } from '@duobus/core';
import { ms } from '../figures.ts';
import { check, say, scene, until } from '../telling.ts';
import type { Hire } from './employee.ts';
import { Staff } from './staff.ts';
import { type ShopTopics, shopTopics } from './topics.ts';
import type { Assignment } from './worker.ts';

export interface ShopOptions extends Omit<Assignment, 'service' | 'version'> {
  readonly hire: Hire;
  /** How many orders are placed. */
  readonly orders: number;
}

/** What nobody can know before: it differs from run to run. */
export interface Incidents {
  readonly awayMs: number;
  readonly waiting: number;
  readonly catchUpMs: number;
}

interface Shop {
  readonly bus: Bus;
  readonly topics: ShopTopics;
  readonly staff: Staff;
  /** Orders before and after the day that loyalty and analytics begin. */
  readonly early: number;
  readonly orders: number;
}

const patienceMs = 180_000;
const wait = (what: string, holds: () => boolean | Promise<boolean>): Promise<void> =>
  until(what, holds, patienceMs);

/** A day in the shop. */
export async function runShop(options: ShopOptions): Promise<Incidents> {
  const { hire, orders, ...where } = options;
  await using bus = await connect(where.target, { source: '/shop/manager' });
  const topics = shopTopics(where.run);
  await using staff = new Staff(hire, where);
  const shop = { bus, topics, staff, orders, early: Math.ceil(orders * 0.75) };
  const incidents = await busyMorning(shop);
  await newcomers(shop);
  await replays(shop);
  await closing(shop);
  return incidents;
}

async function busyMorning({ bus, topics, staff, early }: Shop): Promise<Incidents> {
  scene(
    'A busy morning',
    'Shipping is killed in the middle of its work. The others do not notice, and nothing is lost.',
  );
  for (const name of ['payments', 'shipping', 'mailer', 'order-view'] as const)
    await staff.hire(name);
  await staff.hire('orders');
  const selling = staff.tell('orders', { do: 'sell', from: 0, to: early });
  selling.catch(() => undefined); // looked at below
  await wait('shipping has packed some', () => staff.done('shipping') >= early / 10);
  await staff.kill('shipping');
  const killedAt = performance.now();
  await selling;
  await wait('payments has charged every order', () => staff.done('payments') === early);
  await wait('the read model has them all', () => staff.done('order-view') >= 2 * early);
  const { total: waiting } = await bus.events.depth(topics.paid, 'shipping');
  check(
    `while shipping was dead all ${early} orders were taken and charged; ${waiting} wait in its queue`,
    waiting > 0,
    waiting,
  );
  const awayMs = performance.now() - killedAt;
  await staff.hire('shipping');
  const backAt = performance.now();
  await wait('every customer has a mail', () => staff.done('mailer') === early);
  const catchUpMs = performance.now() - backAt;
  say(`Shipping was away for ${ms(awayMs)}; ${ms(catchUpMs)} later every customer has a mail.`);
  return { awayMs, waiting, catchUpMs };
}

async function newcomers({ bus, topics, staff, early, orders }: Shop): Promise<void> {
  scene(
    'Newcomers',
    'Loyalty subscribes to events, and sees what is new. Analytics joins the data bus, and begins with the first order ever.',
  );
  await wait('nothing waits in a queue', async () => (await left(bus, topics)) === 0);
  await staff.hire('loyalty');
  await staff.hire('analytics');
  await wait('analytics knows the past', () => staff.done('analytics') === early);
  say(`Analytics has all ${early} orders that are older than itself.`);
  await staff.tell('orders', { do: 'sell', from: early, to: orders });
  await wait('every customer has a mail', () => staff.done('mailer') === orders);
  await wait('nothing waits in a queue', async () => (await left(bus, topics)) === 0);
  await wait('analytics has all orders', () => staff.done('analytics') === orders);
  say(`Loyalty has seen ${staff.done('loyalty')} payments, those of the last orders.`);
}

async function replays({ bus, topics, staff, orders }: Shop): Promise<void> {
  scene(
    'Reset and replay',
    'Analytics had a bug: it is mended, and its pointer set back. The read model is built anew while it runs.',
  );
  // what was handed over twice was published twice, with the same id
  const ids: (string | undefined)[] = [];
  for await (const { attributes } of bus.data.read(topics.journal)) ids.push(attributes?.id);
  const entries = new Set(ids).size;
  await wait('the read model is complete', () => staff.done('order-view') === entries);
  await staff.stop('analytics');
  const { moves } = await bus.data.reset(topics.journal, 'analytics', 'earliest');
  const back = moves.reduce((sum, { count }) => sum + count, 0);
  check(
    `the pointer of analytics went back over ${ids.length} entries`,
    back === ids.length,
    moves,
  );
  await staff.hire('analytics', 2);
  await wait('analytics has read them again', () => staff.done('analytics') === orders);
  await staff.tell('order-view', { do: 'rebuild' });
  await bus.data.reset(topics.journal, 'order-view', 'earliest');
  await wait('the read model is complete again', () => staff.done('order-view') === entries);
}

/** Everybody goes home, and nothing is left in the broker that was this run's. */
async function closing({ bus, topics, staff }: Shop): Promise<void> {
  await wait('nothing waits in a queue', async () => (await left(bus, topics)) === 0);
  for (const group of groups)
    await wait(`${group} is at the end`, async () => {
      const { records } = await bus.data.lag(topics.journal, group);
      return records === 0;
    });
  await staff.stopAll();
  for (const [topic, name] of subscriptions(topics)) await bus.events.unsubscribe(topic, name);
  for (const group of groups) await bus.data.remove(topics.journal, group);
}

const groups = ['order-view', 'analytics'] as const;

function subscriptions({ placed, paid, refused, shipped }: ShopTopics) {
  return [
    [placed, 'payments'],
    [paid, 'shipping'],
    [paid, 'loyalty'],
    [refused, 'mailer'],
    [shipped, 'mailer'],
  ] as const;
}

/** What is still to be handled, and dead letters. */
async function left(bus: Bus, topics: ShopTopics): Promise<number> {
  let sum = 0;
  for (const [topic, name] of subscriptions(topics)) {
    if (!(await bus.events.subscriptions(topic)).includes(name)) continue;
    const { total, dead } = await bus.events.depth(topic, name);
    sum += total + dead;
  }
  return sum;
}
