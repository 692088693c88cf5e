import type { InboxSettings } from './inbox-options.ts';

/** The statements of an inbox. What is put into texts is made by this package: hex, numbers and checked names. */
export class InboxSql {
  readonly #table: string;
  /** Whether the mark m is done and still counts. */
  readonly #isDone: string;
  readonly begin: string;
  readonly look: string;
  readonly done: string;
  readonly fail: string;
  readonly expire: string;

  constructor({ table, keepsForMs }: Pick<InboxSettings, 'table' | 'keepsForMs'>) {
    const keeps = `interval '1 millisecond' * ${keepsForMs ?? 0}`;
    this.#table = table;
    this.#isDone =
      keepsForMs === null
        ? 'm.owner IS NULL'
        : `(m.owner IS NULL AND m.at > clock_timestamp() - ${keeps})`;
    const isRunning = '(m.owner IS NOT NULL AND m.at > clock_timestamp())';
    // $1 hash, $2 owner, $3 lease in ms, $4 lock. A transaction that holds the lock is running.
    this.begin = `INSERT INTO ${table} AS m (hash, owner, at)
SELECT $1::bytea, $2::text, clock_timestamp() + interval '1 millisecond' * $3::float8
WHERE pg_try_advisory_xact_lock($4::bigint)
ON CONFLICT (hash) DO UPDATE SET owner = excluded.owner, at = excluded.at
WHERE m.owner = excluded.owner OR NOT (${this.#isDone} OR ${isRunning})
RETURNING 1`;
    this.look = `SELECT ${this.#isDone} AS done FROM ${table} AS m WHERE m.hash = $1`;
    // $2 is null where runs are not told apart
    this.done = `INSERT INTO ${table} AS m (hash, owner, at) VALUES ($1::bytea, NULL, clock_timestamp())
ON CONFLICT (hash) DO UPDATE SET owner = NULL, at = excluded.at
WHERE $2::text IS NULL OR m.owner = $2 OR NOT ${isRunning}
RETURNING 1`;
    this.fail = `DELETE FROM ${table} WHERE hash = $1 AND owner IS NOT NULL AND ($2::text IS NULL OR owner = $2)`;
    // now() rather than clock_timestamp(), with which no index would be used
    this.expire = `DELETE FROM ${table} WHERE hash = ANY (ARRAY(
SELECT hash FROM ${table} WHERE at <= now() - ${keeps} ORDER BY at LIMIT $1 FOR UPDATE SKIP LOCKED))`;
  }

  /** Begins a transaction, marks it with the name of the run, tries the lock of the key, and looks for its mark. Every
   *  statement sees what was committed before it, so that the look comes after the lock. */
  open(hash: string, lock: bigint, run: string): string {
    return `BEGIN;
SELECT pg_try_advisory_xact_lock('${lock}'::bigint) AS free, set_config('duobus.run', '${run}', true);
SELECT ${this.#isDone} AS done, m.owner IS NOT NULL AND m.at > clock_timestamp() AS running
FROM ${this.#table} AS m WHERE m.hash = decode('${hash}', 'hex')`;
  }

  /** Marks the key and commits. What must not be is a null, which the table refuses, so that nothing is committed: of `at`
   *  where this is not the transaction that was begun, of `hash` where the key is done already. */
  close(hash: string, run: string): string {
    return `INSERT INTO ${this.#table} AS m (hash, owner, at)
VALUES (decode('${hash}', 'hex'), NULL,
CASE WHEN current_setting('duobus.run', true) = '${run}' THEN clock_timestamp() END)
ON CONFLICT (hash) DO UPDATE SET owner = NULL, at = excluded.at,
hash = CASE WHEN NOT ${this.#isDone} THEN m.hash END;
COMMIT`;
  }
}
