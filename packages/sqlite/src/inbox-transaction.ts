import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** The connection of the inbox, as a handler gets it: inside of the transaction, for as long as this runs. */
export type SqliteTransaction = Pick<DatabaseSync, 'exec' | 'prepare'>;

const ending = /^\s*(?:begin|commit|end|rollback(?!\s+(?:transaction\s+)?to\b))\b/i;

/** What a handler is given cannot end the transaction, or be used when it is over, when the connection belongs to another. */
export class HandlerTransaction implements SqliteTransaction {
  readonly #database: SqliteTransaction;
  #over = false;

  constructor(database: SqliteTransaction) {
    this.#database = database;
  }

  exec(sql: string): void {
    this.#check(sql);
    this.#database.exec(sql);
  }

  prepare(...args: Parameters<DatabaseSync['prepare']>): StatementSync {
    this.#check(args[0]);
    const statement = this.#database.prepare(...args);
    return new Proxy(statement, {
      get: (target, name): unknown => {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        return (...all: unknown[]): unknown => {
          this.#check('');
          return value.apply(target, all) as unknown;
        };
      },
    });
  }

  end(): void {
    this.#over = true;
  }

  #check(sql: unknown): void {
    if (this.#over)
      throw new TypeError(
        'sqliteInbox: the transaction is over, its handler has returned or thrown: await everything in the handler',
      );
    if (typeof sql === 'string' && ending.test(sql))
      throw new TypeError(
        'sqliteInbox: a handler cannot begin or end the transaction: it is committed when the handler returns and rolled back when it throws. For a part of it use SAVEPOINT and ROLLBACK TO',
      );
  }
}
