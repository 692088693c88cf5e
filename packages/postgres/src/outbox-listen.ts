import { abortable } from '@duobus/core/driver';
import type { Wake } from '@duobus/outbox';
import type { PgListeningClient, PgOutboxPool } from './outbox-client.ts';
import { outboxError } from './outbox-errors.ts';
import type { PostgresSettings } from './outbox-options.ts';
import type { OutboxSql } from './outbox-sql.ts';

/** Keeps a connection of the pool that listens, until the signal is aborted; rejects when it breaks. */
export async function listenTo(
  { pool, schema, listen }: PostgresSettings,
  sql: OutboxSql,
  wake: Wake,
  signal: AbortSignal,
): Promise<void> {
  if (!listen) {
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
    return;
  }
  const client = await connection(pool, sql, signal);
  if (client === undefined) return;
  let over = false;
  const told = (message: { readonly payload?: string | undefined }): void => {
    if (over) return;
    if (message.payload === `${schema}:rows`) wake('rows');
    else if (message.payload === `${schema}:lease`) wake('lease');
  };
  let aborted: (() => void) | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      const lost = (cause: unknown): void => reject(outboxError('relay', sql, cause));
      client.on('error', lost);
      client.on('end', () => lost(new Error('the connection that listens has ended')));
      client.on('notification', told);
      aborted = resolve;
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', aborted, { once: true });
      client.query(`listen "${sql.channel}"`).then(() => {
        wake('rows');
        wake('lease');
      }, lost);
    });
  } finally {
    if (aborted !== undefined) signal.removeEventListener('abort', aborted);
    over = true;
    // it listens still: nobody else must get it
    client.release(true);
  }
}

/** Undefined: the signal was aborted first. A pool can keep one waiting for ever, and nobody must wait for it then. */
async function connection(
  pool: PgOutboxPool,
  sql: OutboxSql,
  signal: AbortSignal,
): Promise<PgListeningClient | undefined> {
  const connecting = pool.connect();
  try {
    return await abortable(connecting, signal);
  } catch (cause) {
    if (!signal.aborted) throw outboxError('relay', sql, cause);
    connecting.then(
      (late) => late.release(),
      () => undefined, // whoever waited has gone
    );
    return undefined;
  }
}
