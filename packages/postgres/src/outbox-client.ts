/*
 * What is used of node-postgres. Its types are not imported: any version of it, and whatever is like it, will do.
 */

export interface PgResult {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
}

export interface PgQueryable {
  query(text: string, values?: unknown[]): Promise<PgResult>;
}

/** A connection of the pool. */
export interface PgPoolClient extends PgQueryable {
  release(destroy?: boolean | Error): void;
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

/** A pool of node-postgres. */
export interface PgPool extends PgQueryable {
  connect(): Promise<PgPoolClient>;
}

/** Runs a statement with parameters `$1`, `$2`, ... inside of the caller's transaction. What it resolves to is not used. */
export type QueryFunction = (sql: string, params: unknown[]) => PromiseLike<unknown>;

/** The caller's transaction: a client of node-postgres, or any other library's as a function. */
export type PgTransaction =
  | { query(text: string, values: unknown[]): PromiseLike<unknown> }
  | QueryFunction;
