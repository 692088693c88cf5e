import type { PgClient, PgPool, PgQueryable } from './pool.ts';

/** A connection that is listened on for notifications. */
export interface PgListeningClient extends PgClient {
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
  on(
    event: 'notification',
    listener: (message: {
      readonly channel: string;
      readonly payload?: string | undefined;
    }) => void,
  ): unknown;
}

/** What is needed of the pool by an outbox. */
export interface PgOutboxPool extends PgPool<PgListeningClient>, PgQueryable {}

/** Runs a statement with parameters `$1`, `$2`, ... inside of the caller's transaction. What it resolves to is not used. */
export type QueryFunction = (sql: string, params: unknown[]) => PromiseLike<unknown>;

/** The caller's transaction: a client of node-postgres, or any other library's as a function. */
export type PgTransaction =
  | { query(text: string, values: unknown[]): PromiseLike<unknown> }
  | QueryFunction;
