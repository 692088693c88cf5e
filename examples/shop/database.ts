import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';

/** A service's own database: a file, which outlives its process. Nobody else writes it. */
export class Database implements Disposable {
  readonly #db: DatabaseSync;

  constructor(folder: string, service: string, schema = '') {
    this.#db = new DatabaseSync(join(folder, `${service}.db`));
    this.#db.exec(
      `pragma journal_mode = wal; pragma synchronous = normal; ${runsSchema} ${schema}`,
    );
  }

  /** All of it, or nothing. */
  transaction<T>(run: () => T): T {
    this.#db.exec('begin immediate');
    try {
      const result = run();
      this.#db.exec('commit');
      return result;
    } catch (error) {
      this.#db.exec('rollback');
      throw error;
    }
  }

  /** Returns the number of rows that were changed. */
  run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.#db.prepare(sql).run(...values).changes);
  }

  /** The first column of the first row. */
  number(sql: string, ...values: SQLInputValue[]): number {
    const row = this.#db.prepare(sql).get(...values) ?? {};
    return Number(Object.values(row)[0] ?? 0);
  }

  rows(sql: string, ...values: SQLInputValue[]): readonly Record<string, unknown>[] {
    // rows have no prototype
    return this.#db
      .prepare(sql)
      .all(...values)
      .map((row) => ({ ...row }));
  }

  /** Handler runs, whatever they found. */
  counted(): void {
    this.run('update runs set count = count + 1');
  }

  get runs(): number {
    return this.number('select count from runs');
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}

const runsSchema = `
  create table if not exists runs (one integer primary key check (one = 1), count integer not null);
  insert or ignore into runs values (1, 0);`;
