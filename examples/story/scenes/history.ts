import type { Bus } from '@duobus/core';
import { euros, ms } from '../../figures.ts';
import {
  type AnalyticsParts,
  type AnalyticsVersion,
  startAnalytics,
} from '../services/analytics.ts';
import { check, say, scene, until } from '../../telling.ts';
import type { World } from '../world.ts';

export interface Analytics {
  readonly bus: Bus;
  readonly parts: AnalyticsParts;
  readonly buggy: AnalyticsVersion;
  readonly stop: () => Promise<void>;
}

/** The data bus keeps what was said: a group that joins late reads from the beginning. */
export async function history(world: World): Promise<Analytics> {
  scene(
    'A reader of history',
    'Every order also went to the data bus, which keeps it. Analytics joins only now, with a pointer of its own at the beginning.',
  );
  const { shop, topics, ledgers, store } = world;
  const bus = await world.service('analytics');
  const parts: AnalyticsParts = {
    bus,
    topics,
    shop,
    ledger: ledgers.analytics,
    store,
    log: { mails: [], byCustomer: new Map() },
  };
  const buggy: AnalyticsVersion = {
    scope: 'revenue-v1',
    amount: (order) => order.unitCents,
    model: { cents: 0, orders: 0 },
  };
  const before = shop.orderIds.length;
  const began = performance.now();
  const handle = await startAnalytics(parts, buggy);
  await until('analytics has read the history', () => buggy.model.orders >= before);
  say(`Read ${buggy.model.orders} orders of the past in ${ms(performance.now() - began)}.`);
  check(
    `analytics has all ${before} orders sold before it existed`,
    ledgers.analytics.missing(shop.orderIds).length === 0,
  );
  const inOrder = [...parts.log.byCustomer.values()].every((numbers) =>
    numbers.every((n, i) => i === 0 || n > (numbers[i - 1] ?? 0)),
  );
  check(
    `the orders of each of the ${parts.log.byCustomer.size} customers came in the order they were placed`,
    inOrder,
  );

  const placed = performance.now();
  const { order, receipt } = await shop.sellOne();
  const { outcome } = await bus.data.waitFor(topics.orders, 'analytics', receipt, {
    timeoutMs: 30_000,
  });
  say(
    `How eventual is eventual? One more order: published, read and its pointer stored within ${ms(performance.now() - placed)}.`,
  );
  check(
    'waitFor(receipt) resolved only when the read model had the order',
    outcome === 'done' && ledgers.analytics.has(order.orderId),
    outcome,
  );
  say(
    `Revenue by analytics: ${euros(buggy.model.cents)}. Revenue by the shop's own books: ${euros(shop.revenueCents)}.`,
  );
  check(
    'the two differ: analytics has a bug (it forgot the quantity)',
    buggy.model.cents !== shop.revenueCents,
  );
  return { bus, parts, buggy, stop: () => handle.close() };
}
