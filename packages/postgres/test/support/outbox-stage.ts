import { type Bus, connect, topic } from '@duobus/core';
import { memory } from '@duobus/memory';
import {
  type Outbox,
  type Relay,
  type RelayEvent,
  type RelayOptions,
  startRelay,
} from '@duobus/outbox';
import { Looks } from '@duobus/test-support';
import type pg from 'pg';
import { type PgTransaction, postgresOutbox, type PostgresOutboxOptions } from '../../src/index.ts';
import { type Database, inTransaction } from './outbox-database.ts';

export interface Order {
  readonly key: string;
  readonly n: number;
}

export const Orders = topic<Order>('orders', { key: ({ key }) => key });

/** An outbox in a schema of its own, a bus, and what was delivered. */
export interface OutboxStage extends AsyncDisposable {
  readonly pool: pg.Pool;
  readonly outbox: Outbox<PgTransaction>;
  readonly bus: Bus;
  readonly got: { readonly n: number; readonly id: string }[];
  readonly events: RelayEvent[];
  /** Commits one document. */
  write(key: string, n: number): Promise<string>;
  relay(options?: RelayOptions): Promise<Relay>;
  /** Looks again with every event and delivery until it holds. */
  until(holds: () => boolean): Promise<void>;
}

export async function outboxStage(
  database: Database,
  options: Partial<PostgresOutboxOptions> = {},
): Promise<OutboxStage> {
  const pool = database.pool();
  const outbox = postgresOutbox({ source: '/shop', pool, schema: database.schema(), ...options });
  await outbox.migrate();
  const bus = await connect(memory(), { source: '/relay' });
  const got: { n: number; id: string }[] = [];
  const events: RelayEvent[] = [];
  const relays: Relay[] = [];
  const looks = new Looks();
  const subscription = `all-${crypto.randomUUID()}`;
  await bus.events.subscribe(
    Orders,
    subscription,
    ({ n }, { id }) => {
      got.push({ n, id });
      looks.look();
    },
    { concurrency: 1 },
  );
  return {
    pool,
    outbox,
    bus,
    got,
    events,
    write: (key, n) => inTransaction(pool, (tx) => outbox.publish(tx, Orders, { key, n })),
    async relay(relayOptions = {}) {
      const relay = await startRelay(outbox, bus, {
        ...relayOptions,
        onEvent: (event) => {
          events.push(event);
          looks.look();
        },
      });
      relays.push(relay);
      return relay;
    },
    until: (holds) => looks.until(holds),
    async [Symbol.asyncDispose]() {
      await Promise.all(relays.map((relay) => relay.close()));
      await bus.events.unsubscribe(Orders, subscription, { discard: true });
      await bus.close();
    },
  };
}
