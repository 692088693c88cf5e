import { euros } from '../../figures.ts';
import { type AnalyticsVersion, startAnalytics } from '../services/analytics.ts';
import { check, say, scene, until } from '../../telling.ts';
import type { World } from '../world.ts';
import type { Analytics } from './history.ts';

/** A replay heals what was computed wrongly, and repeats nothing that must not be repeated. */
export async function replay(world: World, analytics: Analytics): Promise<void> {
  scene(
    'Mend the bug, rewind, replay',
    'The history is still there. The mended handler takes a new scope for its read model; the mails keep theirs.',
  );
  const { shop, topics } = world;
  const { bus, parts, buggy } = analytics;
  const { mails } = parts.log;
  const sold = shop.orderIds.length;
  check(
    `${sold} thank-you mails were sent so far, one per order`,
    mails.length === sold,
    mails.length,
  );

  await analytics.stop();
  const mended: AnalyticsVersion = {
    scope: 'revenue-v2',
    amount: (order) => order.quantity * order.unitCents,
    model: { cents: 0, orders: 0 },
  };
  const { moves } = await bus.data.reset(topics.orders, 'analytics', 'earliest');
  const back = moves.reduce((sum, { count }) => sum + count, 0);
  check(
    `reset moved the pointer of analytics back over ${back} orders in ${moves.length} partitions, from outside, before the mended version runs`,
    back === sold,
    moves,
  );
  await startAnalytics(parts, mended);
  await until('the replay is through', () => mended.model.orders >= sold);
  await until(
    'the lag of analytics is 0',
    async () => (await bus.data.lag(topics.orders, 'analytics')).records === 0,
  );
  check(
    `healed: revenue by analytics is ${euros(mended.model.cents)}, as in the shop's books`,
    mended.model.cents === shop.revenueCents,
    euros(shop.revenueCents),
  );
  check(
    `the replay sent 0 mails again: still ${mails.length}`,
    mails.length === sold && new Set(mails).size === sold,
    mails.length,
  );
  check('the old read model was left alone', buggy.model.orders === sold);

  await bus.data.reset(topics.orders, 'analytics', 'earliest');
  const { receipt } = await shop.sellOne();
  await bus.data.waitFor(topics.orders, 'analytics', receipt, { timeoutMs: 30_000 });
  await until(
    'the second replay is through',
    async () => (await bus.data.lag(topics.orders, 'analytics')).records === 0,
  );
  say(
    'A second reset, this time of the running group and with nothing mended: the replay is idempotent.',
  );
  check(
    `revenue is still exact (${euros(mended.model.cents)}), nothing was added twice`,
    mended.model.cents === shop.revenueCents,
    [mended.model.cents, shop.revenueCents],
  );
}
