import { createHash, randomUUID } from 'node:crypto';
import { BusError } from '@duobus/core/driver';
import type { BeginResult, IdempotenceStore } from '@duobus/core';
import { Connections, type Held } from './inbox-connections.ts';
import { sqlState, storeError } from './inbox-errors.ts';
import { inFrame, newFrame } from './inbox-frames.ts';
import { PostgresMarks } from './inbox-marks.ts';
import { type InboxSettings, inboxSettings, type PostgresInboxOptions } from './inbox-options.ts';
import { checkSchema, migrate } from './inbox-schema.ts';
import { InboxSql } from './inbox-sql.ts';
import { HandlerClient } from './inbox-transaction.ts';
import type { PgClient, PgPool, PgResult } from './pool.ts';

/** Marks of what has been done, in a table next to the effects. */
export interface PostgresInbox<Client extends PgClient = PgClient>
  extends Required<IdempotenceStore<Client>> {
  /** The same marks without transactions, for effects outside the database that take long: no connection is held while one
   *  runs. The effect is repeated only if the process dies between effect and mark. */
  readonly marks: IdempotenceStore<undefined>;
  /** Creates the table, or brings it up to this version. Any number of processes may call it at a time. */
  migrate(): Promise<void>;
  /** Deletes marks that have expired, at most so many, and resolves to their number. The inbox does this itself, for
   *  1,000 at a time, whenever it has written 500. */
  expire(limit?: number): Promise<number>;
}

const expireEvery = 500;
const expireAtOnce = 1000;

/**
 * Exactly one effect for each document: the handler's statements and the mark are committed together. The pool is yours:
 * a `Pool` of pg, with at least one connection more than effects that are guarded inside of one another.
 * @example await bus.data.subscribe(Orders, 'revenue', idempotent((order, delivery, tx) => tx.query(...), { store: postgresInbox(pool), scope: 'v1' }))
 */
export function postgresInbox<Client extends PgClient = PgClient>(
  pool: PgPool<Client>,
  options: PostgresInboxOptions = {},
): PostgresInbox<Client> {
  if (typeof (pool as Partial<PgPool> | null | undefined)?.connect !== 'function')
    throw new TypeError('postgresInbox: pass a Pool of pg, e.g. new Pool({ connectionString })');
  return new Inbox(pool, inboxSettings(options));
}

class Inbox<Client extends PgClient> implements PostgresInbox<Client> {
  readonly keepsForMs: number | null;
  readonly marks: IdempotenceStore<undefined>;
  readonly #pool: PgPool<Client>;
  readonly #settings: InboxSettings;
  readonly #connections: Connections<Client>;
  readonly #sql: InboxSql;
  readonly #lockOfTable: bigint;
  #checked = false;
  #written = 0;

  constructor(pool: PgPool<Client>, settings: InboxSettings) {
    this.keepsForMs = settings.keepsForMs;
    this.#pool = pool;
    this.#settings = settings;
    this.#connections = new Connections(pool, settings);
    this.#sql = new InboxSql(settings);
    this.#lockOfTable = hashOf(settings.table).readBigInt64BE();
    this.marks = new PostgresMarks(
      settings.keepsForMs,
      this.#sql,
      (key) => this.#placeOf(key),
      (doing, text, values) => this.#ask(doing, text, values),
    );
  }

  begin(key: string, leaseMs: number, owner?: string): Promise<BeginResult> {
    return this.marks.begin(key, leaseMs, owner);
  }

  done(key: string, owner?: string): Promise<void> {
    return this.marks.done(key, owner);
  }

  fail(key: string, owner?: string): Promise<void> {
    return this.marks.fail(key, owner);
  }

  async transaction<T>(
    key: string,
    effect: (tx: Client) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<{ readonly result: BeginResult; readonly value?: T }> {
    const { hash, lock } = this.#placeOf(key);
    const frame = newFrame(this.#pool, `${this.#settings.table} ${hash.toString('hex')}`);
    return this.#connections.use(async (held) => {
      await this.#check(held);
      const run = randomUUID();
      const state = await this.#open(held, this.#sql.open(hash.toString('hex'), lock, run));
      if (state !== 'new') {
        await this.#rollback(held);
        return { result: state };
      }
      const handler = new HandlerClient(held.client);
      let value: T;
      try {
        value = await inFrame(frame, () => effect(handler.client));
      } catch (error) {
        handler.end();
        await this.#rollback(held);
        throw error;
      }
      handler.end();
      await this.#commit(held, this.#sql.close(hash.toString('hex'), run));
      await this.#tidy(held);
      return { result: state, value };
    }, signal);
  }

  async migrate(): Promise<void> {
    await this.#own('migrate', (client) => migrate(client, this.#settings));
  }

  async expire(limit: number = expireAtOnce): Promise<number> {
    if (!Number.isSafeInteger(limit) || limit < 1)
      throw new TypeError('postgresInbox: the limit of expire must be an integer of at least 1');
    if (this.keepsForMs === null) return 0;
    return this.#connections.use(async (held) => {
      await this.#check(held);
      const expire = (client: Client): Promise<PgResult> => client.query(this.#sql.expire, [limit]);
      return (await this.#tell(held, 'expire', expire)).rowCount ?? 0;
    });
  }

  async #open(held: Held<Client>, text: string): Promise<BeginResult> {
    let results: readonly PgResult[];
    try {
      results = (await held.client.query(text)) as unknown as readonly PgResult[];
    } catch (error) {
      await this.#rollback(held);
      throw this.#error('begin', error);
    }
    const mark = results[2]?.rows[0];
    if (mark?.['done'] === true) return 'done';
    return results[1]?.rows[0]?.['free'] === true && mark?.['running'] !== true ? 'new' : 'running';
  }

  async #commit(held: Held<Client>, text: string): Promise<void> {
    try {
      await held.client.query(text);
    } catch (error) {
      await this.#rollback(held);
      throw this.#notCommitted(error);
    }
  }

  #notCommitted(error: unknown): unknown {
    const state = sqlState(error);
    const { column } = (error ?? {}) as { readonly column?: unknown };
    if (state === '23502' && column === 'at')
      return new TypeError(
        'postgresInbox: the handler has ended the transaction itself, so that its effects and the mark could not be committed together: leave COMMIT and ROLLBACK out, throw to roll back',
        { cause: error },
      );
    if (state === '23502' && column === 'hash')
      return new BusError(
        'DUOBUS_CONFLICT',
        'postgresInbox: the effect had been done meanwhile, and was rolled back',
        { cause: error, retryable: true },
      );
    if (state !== undefined) return this.#error('commit', error);
    return new BusError(
      'DUOBUS_UNAVAILABLE',
      `postgresInbox: the connection broke during COMMIT (${this.#settings.table}): the effects and the mark are both there, or neither. The repetition finds out`,
      { cause: error, retryable: true, context: { table: this.#settings.table } },
    );
  }

  /** A connection that cannot even roll back is not given back; the server then rolls back by itself. */
  async #rollback(held: Held<Client>): Promise<void> {
    try {
      await held.client.query('ROLLBACK');
    } catch {
      held.sound = false;
    }
  }

  /** The effect is committed: it must not fail because what has expired could not be deleted, which the next one does. */
  async #tidy(held: Held<Client>): Promise<void> {
    const due = this.#written % expireEvery === 0;
    this.#written += 1;
    if (!due || this.keepsForMs === null) return;
    try {
      await held.client.query(this.#sql.expire, [expireAtOnce]);
    } catch {
      held.sound = false;
    }
  }

  /** A statement of the inbox's own, on a connection of its own. */
  #ask(doing: string, text: string, values: unknown[]): Promise<unknown> {
    return this.#connections.use(async (held) => {
      await this.#check(held);
      const result = await this.#tell(held, doing, (client) => client.query(text, values));
      return result.rows[0];
    });
  }

  #own<T>(doing: string, work: (client: Client) => Promise<T>): Promise<T> {
    return this.#connections.use((held) => this.#tell(held, doing, work));
  }

  async #tell<T>(
    held: Held<Client>,
    doing: string,
    work: (client: Client) => Promise<T>,
  ): Promise<T> {
    try {
      return await work(held.client);
    } catch (error) {
      if (sqlState(error) === undefined && !BusError.is(error)) held.sound = false;
      throw this.#error(doing, error);
    }
  }

  async #check(held: Held<Client>): Promise<void> {
    if (this.#checked) return;
    await this.#tell(held, 'look for its table', (client) => checkSchema(client, this.#settings));
    this.#checked = true;
  }

  #error(doing: string, error: unknown): unknown {
    return storeError(error, { doing, table: this.#settings.table });
  }

  /** Keys may be longer than an index takes, and hold what a text cannot. Two keys of one lock only wait for each other. */
  #placeOf(key: string): { readonly hash: Buffer; readonly lock: bigint } {
    const hash = hashOf(key);
    return { hash, lock: hash.readBigInt64BE() ^ this.#lockOfTable };
  }
}

/** UTF-16, in which every string differs from every other, also one that is not well-formed. */
function hashOf(text: string): Buffer {
  return createHash('sha256').update(text, 'utf16le').digest();
}
