import { quantile } from '../figures.ts';
import { Database } from './database.ts';

/** What is true at the end of the day, on any broker. */
export interface Facts {
  readonly orders: { readonly placed: number; readonly cents: number };
  readonly payments: {
    readonly charged: number;
    readonly cents: number;
    readonly refused: number;
    /** Orders that came before an older one of the same customer. */
    readonly outOfOrder: number;
  };
  readonly parcels: number;
  readonly mails: { readonly shipped: number; readonly refused: number };
  readonly loyalty: { readonly payments: number; readonly points: number };
  readonly analytics: {
    /** Of the version with the bug. */
    readonly wrongCents: number;
    readonly orders: number;
    readonly cents: number;
    readonly byItem: Readonly<Record<string, number>>;
  };
  readonly orderView: {
    readonly shipped: number;
    readonly refused: number;
    /** Entries that came before what they follow from. */
    readonly outOfOrder: number;
    /** Orders that the one built anew has in another state. */
    readonly rebuiltOtherwise: number;
  };
}

/** Read from the databases of the services, which have ended. */
export function readFacts(folder: string): Facts {
  using orders = new Database(folder, 'orders');
  using payments = new Database(folder, 'payments');
  using shipping = new Database(folder, 'shipping');
  using mailer = new Database(folder, 'mailer');
  using loyalty = new Database(folder, 'loyalty');
  using analytics = new Database(folder, 'analytics');
  using view = new Database(folder, 'order-view');
  const inState = (state: string): number =>
    view.number('select count(*) from orders where version = 2 and state = ?', state);
  const items = analytics.rows(
    'select item, sum(cents) as cents from sales where version = 2 group by item order by item',
  );
  return {
    orders: {
      placed: orders.number('select count(*) from orders'),
      cents: orders.number('select sum(cents) from orders'),
    },
    payments: {
      charged: payments.number('select count(*) from payments where refused = 0'),
      cents: payments.number('select sum(cents) from payments where refused = 0'),
      refused: payments.number('select count(*) from payments where refused = 1'),
      outOfOrder: payments.number('select sum(late) from payments'),
    },
    parcels: shipping.number('select count(*) from parcels'),
    mails: {
      shipped: mailer.number("select count(*) from mails where text like 'parcel%'"),
      refused: mailer.number("select count(*) from mails where text like 'refused%'"),
    },
    loyalty: {
      payments: loyalty.number('select count(*) from points'),
      points: loyalty.number('select sum(points) from points'),
    },
    analytics: {
      wrongCents: analytics.number('select sum(cents) from sales where version = 1'),
      orders: analytics.number('select count(*) from sales where version = 2'),
      cents: analytics.number('select sum(cents) from sales where version = 2'),
      byItem: Object.fromEntries(items.map(({ item, cents }) => [item, cents])),
    },
    orderView: {
      shipped: inState('shipped'),
      refused: inState('refused'),
      outOfOrder: view.number('select count(*) from seen where inOrder = 0'),
      rebuiltOtherwise: view.number(
        `select count(*) from (
          select orderId, state from orders where version = 1
          except select orderId, state from orders where version = 2)`,
      ),
    },
  };
}

/** What differs from run to run. */
export interface Measured {
  /** From the publish of an entry until it is in the read model, in ms. */
  readonly staleness: { readonly p50: number; readonly p99: number; readonly max: number };
  /** Handler runs beyond the first for a document, by service: what died or was not settled comes again. */
  readonly repetitions: Readonly<Record<string, number>>;
}

export function readMeasured(folder: string): Measured {
  using view = new Database(folder, 'order-view');
  const staleness = view.rows('select ms from staleness order by ms').map(({ ms }) => Number(ms));
  const repetitions: Record<string, number> = {};
  for (const [service, table] of [
    ['payments', 'payments'],
    ['shipping', 'parcels'],
    ['mailer', 'mails'],
    ['loyalty', 'points'],
  ] as const) {
    using database = new Database(folder, service);
    repetitions[service] = database.runs - database.number(`select count(*) from ${table}`);
  }
  return {
    staleness: {
      p50: quantile(staleness, 0.5),
      p99: quantile(staleness, 0.99),
      max: staleness.at(-1) ?? 0,
    },
    repetitions,
  };
}
