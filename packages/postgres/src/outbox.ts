import { createOutbox, type Outbox } from '@duobus/outbox';
import type { PgTransaction } from './outbox-client.ts';
import { type PostgresOutboxOptions, postgresSettings } from './outbox-options.ts';
import { PostgresOutboxStore } from './outbox-store.ts';

/**
 * An outbox in PostgreSQL, 13 or newer. Connects to nothing before it is used.
 * @throws TypeError for wrong options
 * @example const outbox = postgresOutbox({ source: '/shop', pool: new pg.Pool() })
 */
export function postgresOutbox(options: PostgresOutboxOptions): Outbox<PgTransaction> {
  const { settings, outbox } = postgresSettings(options);
  return createOutbox(new PostgresOutboxStore(settings), outbox);
}
