import type {
  FailedRow,
  NewRow,
  OutboxBatch,
  OutboxLag,
  ReadRequest,
  SetAsideReason,
  SyncOutboxStore,
  Wake,
} from '@duobus/outbox';
import { checkVersion, failedRow, outboxLag, readUnblocked, type SqlRow } from '@duobus/outbox/sql';
import { whileBusy } from './busy.ts';
import type { SqliteDatabase, SqliteStatement } from './outbox-database.ts';
import { outboxError } from './outbox-errors.ts';
import type { SqliteSettings } from './outbox-options.ts';
import { outboxSql, type OutboxSql, schemaVersion } from './outbox-sql.ts';
import { watch } from './outbox-watch.ts';

type Value = string | number | null | Uint8Array;

/** A writer elsewhere is waited for that long. */
const busyMs = 5_000;

/** The outbox's verbs in SQLite. */
export class SqliteOutboxStore implements SyncOutboxStore<SqliteDatabase> {
  readonly #database: SqliteDatabase;
  readonly #sql: OutboxSql;
  readonly #wakes = new Set<Wake>();
  readonly #statements = new Map<string, SqliteStatement>();
  #prepared = false;

  constructor({ database, prefix }: SqliteSettings) {
    this.#database = database;
    this.#sql = outboxSql(prefix);
  }

  insert(tx: SqliteDatabase, rows: readonly NewRow[]): void {
    if (typeof tx?.prepare !== 'function')
      throw new TypeError(
        'outbox.publish: the transaction must be a connection to SQLite on which it began',
      );
    if (tx === this.#database)
      throw new TypeError(
        "outbox.publish: this is the outbox's own connection: begin your transactions on another one",
      );
    try {
      const statement = tx.prepare(this.#sql.insert);
      for (const row of rows) {
        const { id, bus, topic, settings, lane = null, attributes, data, bytes } = row;
        statement.run(id, bus, topic, settings, lane, attributes, data, bytes);
      }
    } catch (cause) {
      throw outboxError('outbox.publish', this.#sql, cause);
    }
    // a transaction that does not wait for anything has committed by then; others are seen by watching
    setImmediate(() => this.#wake('rows'));
  }

  migrate(): Promise<void> {
    return this.#write('outbox.migrate', () => {
      const found = this.#all(
        "select 1 from sqlite_master where type = 'table' and name = ?",
        this.#sql.state,
      );
      if (found.length > 0) this.#checkVersion('outbox.migrate');
      else for (const statement of this.#sql.migrate) this.#database.exec(statement);
    });
  }

  acquire(owner: string, leaseMs: number): Promise<number | undefined> {
    return this.#write('relay', () => {
      this.#checkVersion('relay');
      return this.#all(this.#sql.acquire, owner, leaseMs)[0]?.['fence'] as number | undefined;
    });
  }

  renew(fence: number, leaseMs: number): Promise<boolean> {
    return this.#write('relay', () => this.#all(this.#sql.renew, fence, leaseMs).length > 0);
  }

  async release(fence: number): Promise<void> {
    await this.#write('relay', () => this.#run(this.#sql.release, fence));
    this.#wake('lease');
  }

  async read(_fence: number, request: ReadRequest): Promise<OutboxBatch> {
    const { rows: limit, bytes } = request;
    const [heldRows, heldLanes] = [request.heldRows, request.heldLanes].map((list) =>
      JSON.stringify(list),
    ) as [string, string];
    return readUnblocked(
      () =>
        this.#patiently('relay', () =>
          this.#all(this.#sql.read, heldRows, heldLanes, limit, bytes),
        ),
      (blocked) => this.#write('relay', () => this.#run(this.#sql.park, JSON.stringify(blocked))),
    );
  }

  remove(fence: number, rows: readonly string[]): Promise<boolean> {
    return this.#owned(fence, () => this.#run(this.#sql.remove, JSON.stringify(rows)));
  }

  setAside(fence: number, row: string, reason: SetAsideReason): Promise<boolean> {
    return this.#owned(fence, () => this.#run(this.#sql.setAside, row, JSON.stringify(reason)));
  }

  async lag(): Promise<OutboxLag> {
    const [found] = await this.#patiently('outbox.lag', () => this.#all(this.#sql.lag));
    return outboxLag(found);
  }

  async failed(after: string | undefined, limit: number): Promise<readonly FailedRow[]> {
    const found = await this.#patiently('outbox.failed', () =>
      this.#all(this.#sql.failed, after ?? '0', limit),
    );
    return found.map(failedRow);
  }

  async settle(id: string, verdict: 'retry' | 'discard'): Promise<number> {
    const count = await this.#write(`outbox.${verdict}`, () => {
      const settled = this.#all(this.#sql[verdict], id);
      const lanes = settled.map(({ lane }) => lane).filter((lane) => lane !== null);
      this.#run(this.#sql.resume, JSON.stringify(lanes));
      return settled.length;
    });
    if (count > 0) this.#wake('rows');
    return count;
  }

  async listen(wake: Wake, signal: AbortSignal): Promise<void> {
    this.#wakes.add(wake);
    try {
      await watch(this.#database, () => wake('rows'), signal);
    } finally {
      this.#wakes.delete(wake);
    }
  }

  #wake(what: 'rows' | 'lease'): void {
    for (const wake of this.#wakes) wake(what);
  }

  #checkVersion(call: string): void {
    const [state] = this.#all(this.#sql.version);
    checkVersion(call, this.#sql.rows, state?.['version'], schemaVersion);
  }

  #owned(fence: number, work: () => void): Promise<boolean> {
    return this.#write('relay', () => {
      if (this.#all(this.#sql.owned, fence).length === 0) return false;
      work();
      return true;
    });
  }

  /** In one transaction, begun and ended within this turn: the connection is shared with what else the outbox does. */
  #write<T>(call: string, work: () => T): Promise<T> {
    return this.#patiently(call, () => {
      this.#database.exec('begin immediate');
      try {
        const result = work();
        this.#database.exec('commit');
        return result;
      } catch (error) {
        this.#rollBack();
        throw error;
      }
    });
  }

  #rollBack(): void {
    try {
      this.#database.exec('rollback');
    } catch {
      // after some errors SQLite has done so of itself, and says that there is no transaction
    }
  }

  async #patiently<T>(call: string, work: () => T): Promise<T> {
    try {
      return await whileBusy(busyMs, () => {
        if (!this.#prepared) this.#database.exec('pragma busy_timeout = 0');
        this.#prepared = true;
        return work();
      });
    } catch (cause) {
      throw outboxError(call, this.#sql, cause);
    }
  }

  #all(sql: string, ...values: Value[]): readonly SqlRow[] {
    return this.#statement(sql).all(...values) as readonly SqlRow[];
  }

  #run(sql: string, ...values: Value[]): void {
    this.#statement(sql).run(...values);
  }

  #statement(sql: string): SqliteStatement {
    const known = this.#statements.get(sql) ?? this.#database.prepare(sql);
    this.#statements.set(sql, known);
    return known;
  }
}
