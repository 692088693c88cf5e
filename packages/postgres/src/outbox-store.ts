import type {
  FailedRow,
  NewRow,
  OutboxBatch,
  OutboxLag,
  OutboxStore,
  ReadRequest,
  SetAsideReason,
  Wake,
} from '@duobus/outbox';
import { checkVersion, failedRow, outboxLag, readUnblocked, type SqlRow } from '@duobus/outbox/sql';
import type { PgListeningClient, PgTransaction } from './outbox-client.ts';
import type { PgQueryable } from './pool.ts';
import { outboxError } from './outbox-errors.ts';
import { listenTo } from './outbox-listen.ts';
import type { PostgresSettings } from './outbox-options.ts';
import { outboxSql, type OutboxSql, schemaVersion } from './outbox-sql.ts';

const columns = ['id', 'bus', 'topic', 'settings', 'lane', 'attributes', 'data', 'bytes'] as const;
/** Rows of one statement: PostgreSQL takes 65,535 parameters. */
const insertAtOnce = 500;

/** The outbox's verbs in PostgreSQL. */
export class PostgresOutboxStore implements OutboxStore<PgTransaction> {
  readonly #settings: PostgresSettings;
  readonly #sql: OutboxSql;

  constructor(settings: PostgresSettings) {
    this.#settings = settings;
    this.#sql = outboxSql(settings);
  }

  async insert(tx: PgTransaction, rows: readonly NewRow[]): Promise<void> {
    const query = queryOf(tx);
    for (let at = 0; at < rows.length; at += insertAtOnce) {
      const some = rows.slice(at, at + insertAtOnce);
      // Every parameter once and in order: some libraries know of nothing else.
      const places = some.map((_, row) => {
        const names = columns.map((_name, column) => `$${row * columns.length + column + 1}`);
        return `(${names.join(', ')})`;
      });
      const sql = `insert into ${this.#sql.rows} (${columns.join(', ')}) values ${places.join(', ')}`;
      const params = some.flatMap((row) => [
        row.id,
        row.bus,
        row.topic,
        row.settings,
        row.lane ?? null,
        row.attributes,
        asBuffer(row.data),
        row.bytes,
      ]);
      try {
        await query(sql, params);
      } catch (cause) {
        throw outboxError('outbox.publish', this.#sql, cause);
      }
    }
  }

  async migrate(): Promise<void> {
    const { schema } = this.#settings;
    await this.#transaction('outbox.migrate', async (client) => {
      await client.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [
        `duobus ${this.#sql.rows}`,
      ]);
      const found = await client.query('select to_regnamespace($1) is not null as there', [schema]);
      if (found.rows[0]?.['there'] !== true) await client.query(`create schema "${schema}"`);
      const state = await client.query('select to_regclass($1) is not null as there', [
        this.#sql.state,
      ]);
      if (state.rows[0]?.['there'] !== true) {
        for (const statement of this.#sql.migrate) await client.query(statement);
        return;
      }
      const { rows } = await client.query(this.#sql.version);
      this.#check('outbox.migrate', rows[0]);
    });
  }

  async acquire(owner: string, leaseMs: number): Promise<number | undefined> {
    const [taken] = await this.#query('relay', this.#sql.acquire, [owner, leaseMs]);
    const [state] = taken === undefined ? await this.#query('relay', this.#sql.version) : [taken];
    this.#check('relay', state);
    return taken === undefined ? undefined : Number(taken['fence']);
  }

  async renew(fence: number, leaseMs: number): Promise<boolean> {
    return (await this.#query('relay', this.#sql.renew, [fence, leaseMs])).length > 0;
  }

  async release(fence: number): Promise<void> {
    await this.#query('relay', this.#sql.release, [fence]);
  }

  async read(fence: number, request: ReadRequest): Promise<OutboxBatch> {
    const { rows: limit, bytes, heldRows, heldLanes } = request;
    return readUnblocked(
      () => this.#query('relay', this.#sql.read, [heldRows, heldLanes, limit, bytes]),
      (blocked, { settled }) => this.#query('relay', this.#sql.park, [fence, blocked, settled]),
    );
  }

  remove(fence: number, rows: readonly string[]): Promise<boolean> {
    return this.#owned(this.#sql.remove, [fence, rows]);
  }

  setAside(fence: number, row: string, reason: SetAsideReason): Promise<boolean> {
    return this.#owned(this.#sql.setAside, [fence, row, JSON.stringify(reason)]);
  }

  async lag(): Promise<OutboxLag> {
    const [found] = await this.#query('outbox.lag', this.#sql.lag);
    return outboxLag(found);
  }

  async failed(after: string | undefined, limit: number): Promise<readonly FailedRow[]> {
    const found = await this.#query('outbox.failed', this.#sql.failed, [after ?? '0', limit]);
    return found.map(failedRow);
  }

  async settle(id: string, verdict: 'retry' | 'discard'): Promise<number> {
    return this.#transaction(`outbox.${verdict}`, async (client) => {
      // Before all else: whoever parks rows sees that it comes too late, and what is parked already is seen here.
      await client.query(this.#sql.found);
      const { rows } = await client.query(this.#sql[verdict], [id]);
      const lanes = rows.map((row) => row['lane']).filter((lane) => lane !== null);
      await client.query(this.#sql.resume, [lanes]);
      await client.query('select pg_notify($1, $2)', [
        this.#sql.channel,
        `${this.#settings.schema}:rows`,
      ]);
      return rows.length;
    });
  }

  listen(wake: Wake, signal: AbortSignal): Promise<void> {
    return listenTo(this.#settings, this.#sql, wake, signal);
  }

  #check(call: string, state: SqlRow | undefined): void {
    checkVersion(call, this.#sql.rows, state?.['version'], schemaVersion);
  }

  async #owned(sql: string, values: readonly unknown[]): Promise<boolean> {
    const [found] = await this.#query('relay', sql, values);
    return found?.['owned'] === true;
  }

  async #query(
    call: string,
    sql: string,
    values: readonly unknown[] = [],
  ): Promise<readonly SqlRow[]> {
    try {
      return (await this.#settings.pool.query(sql, [...values])).rows;
    } catch (cause) {
      throw outboxError(call, this.#sql, cause);
    }
  }

  /** Each statement has to see what was committed before it began, whatever the database's default is. */
  async #transaction<T>(call: string, work: (client: PgQueryable) => Promise<T>): Promise<T> {
    let client: PgListeningClient | undefined;
    let broken = true;
    try {
      client = await this.#settings.pool.connect();
      await client.query('begin isolation level read committed');
      const result = await work(client);
      await client.query('commit');
      broken = false;
      return result;
    } catch (cause) {
      throw outboxError(call, this.#sql, cause);
    } finally {
      // a connection that is ended takes its transaction with it
      client?.release(broken);
    }
  }
}

function queryOf(tx: PgTransaction): (sql: string, params: unknown[]) => PromiseLike<unknown> {
  if (typeof tx === 'function') return tx;
  if (typeof tx?.query !== 'function') {
    throw new TypeError(
      'outbox.publish: the transaction must be a client of node-postgres, or a function (sql, params) => ...',
    );
  }
  if (typeof (tx as { readonly totalCount?: unknown }).totalCount === 'number') {
    throw new TypeError(
      'outbox.publish: this is a pool, which runs every statement on its own: pass the client on which the transaction began',
    );
  }
  return (sql, params) => tx.query(sql, params);
}

function asBuffer(data: Uint8Array): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}
