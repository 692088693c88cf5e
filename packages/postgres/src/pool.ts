/*
 * What is used of node-postgres. Its types are not imported: any version of it, and whatever is like it, will do.
 */

/** What a statement answers, as far as it is looked at. */
export interface PgResult {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly rowCount?: number | null;
  readonly command?: string;
}

export interface PgQueryable {
  query(text: string, values?: unknown[]): Promise<PgResult>;
}

/** What is needed of a connection of the pool: the `PoolClient` of pg has it. */
export interface PgClient extends PgQueryable {
  on(event: 'error', listener: (error: Error) => void): unknown;
  removeListener(event: 'error', listener: (error: Error) => void): unknown;
  release(destroy?: boolean | Error): void;
}

/** What is needed of the pool: the `Pool` of pg has it. It is passed in, and stays yours to end. */
export interface PgPool<Client extends PgClient = PgClient> {
  connect(): Promise<Client>;
  /** `max`: how many connections it opens at most. pg's own default is 10. */
  readonly options?: { readonly max?: number | undefined };
  readonly ended?: boolean;
}
