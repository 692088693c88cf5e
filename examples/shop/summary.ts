import { euros, ms } from '../figures.ts';
import { check, say, title } from '../telling.ts';
import type { Facts, Measured } from './facts.ts';

/** Counts once more, over what every service has written down. */
export function summarize(facts: Facts, { staleness, repetitions }: Measured): void {
  const { orders, payments, parcels, mails, loyalty, analytics, orderView } = facts;
  title('\nThe day in figures');
  say(`orders      ${orders.placed} placed, ${euros(orders.cents)}`);
  say(
    `payments    ${payments.charged} charged, ${euros(payments.cents)}; ${payments.refused} refused`,
  );
  say(`shipping    ${parcels} parcels`);
  say(`mailer      ${mails.shipped} mails of parcels, ${mails.refused} of refusals`);
  say(`loyalty     ${loyalty.points} points for ${loyalty.payments} payments`);
  say(`analytics   ${euros(analytics.cents)} (with the bug: ${euros(analytics.wrongCents)})`);
  say(`read model  ${orderView.shipped} shipped, ${orderView.refused} refused`);
  check(
    'nothing is lost, and nothing was done twice',
    payments.charged + payments.refused === orders.placed &&
      parcels === payments.charged &&
      mails.shipped === parcels &&
      mails.refused === payments.refused,
    facts,
  );
  check(
    'analytics and the read model agree with the books',
    analytics.orders === orders.placed &&
      analytics.cents === orders.cents &&
      orderView.shipped === parcels &&
      orderView.refused === payments.refused &&
      orderView.rebuiltOtherwise === 0,
    facts,
  );
  check(
    'what belongs to one customer came in order, on both buses',
    payments.outOfOrder + orderView.outOfOrder === 0,
    facts,
  );
  const { p50, p99, max } = staleness;
  say(
    `How eventual is eventual? Half of what happened was in the read model within ${ms(p50)}, 99 % within ${ms(p99)}, all within ${ms(max)}.`,
  );
  const again = Object.entries(repetitions).map(([service, count]) => `${service} ${count}`);
  say(`Handed over more than once, and recognised: ${again.join(', ')}.`);
}
