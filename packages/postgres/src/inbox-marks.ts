import { randomUUID } from 'node:crypto';
import { BusError } from '@duobus/core/driver';
import type { BeginResult, IdempotenceStore } from '@duobus/core';

/** One row at most, of one statement. */
export type Ask = (doing: string, text: string, values: unknown[]) => Promise<unknown>;

interface MarksSql {
  readonly begin: string;
  readonly look: string;
  readonly done: string;
  readonly fail: string;
}

/** The marks of an inbox without transactions: no connection is held while an effect runs. */
export class PostgresMarks implements IdempotenceStore<undefined> {
  readonly keepsForMs: number | null;
  readonly #ask: Ask;
  readonly #sql: MarksSql;
  readonly #placeOf: (key: string) => { readonly hash: Buffer; readonly lock: bigint };

  constructor(
    keepsForMs: number | null,
    sql: MarksSql,
    placeOf: (key: string) => { readonly hash: Buffer; readonly lock: bigint },
    ask: Ask,
  ) {
    this.keepsForMs = keepsForMs;
    this.#sql = sql;
    this.#placeOf = placeOf;
    this.#ask = ask;
  }

  async begin(key: string, leaseMs: number, owner: string = randomUUID()): Promise<BeginResult> {
    const { hash, lock } = this.#placeOf(key);
    const values = [hash, owner, leaseMs, String(lock)];
    if ((await this.#ask('begin', this.#sql.begin, values)) !== undefined) return 'new';
    const mark = await this.#ask('begin', this.#sql.look, [hash]);
    return (mark as { done?: boolean } | undefined)?.done === true ? 'done' : 'running';
  }

  async done(key: string, owner?: string): Promise<void> {
    const { hash } = this.#placeOf(key);
    const marked = await this.#ask('mark as done', this.#sql.done, [hash, owner ?? null]);
    if (marked !== undefined) return;
    throw new BusError(
      'DUOBUS_CONFLICT',
      'postgresInbox: the lease of this run has ended and another has taken its place, which may repeat the effect: raise leaseMs above the longest run',
      { retryable: true },
    );
  }

  async fail(key: string, owner?: string): Promise<void> {
    await this.#ask('free', this.#sql.fail, [this.#placeOf(key).hash, owner ?? null]);
  }
}
