import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import type {
  Leased,
  OutboundRecord,
  Settlement,
  StoredTopic,
  SubscriptionCounts,
} from '@duobus/core/driver';

// #region schema
const schema = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL; -- a commit survives the loss of power
  PRAGMA busy_timeout = 5000;
  CREATE TABLE IF NOT EXISTS topics (name TEXT PRIMARY KEY, record TEXT NOT NULL);
  CREATE TABLE IF NOT EXISTS subscriptions (topic TEXT, name TEXT, PRIMARY KEY (topic, name));
  CREATE TABLE IF NOT EXISTS documents (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, name TEXT NOT NULL,
    dead INTEGER NOT NULL DEFAULT 0, readyAt INTEGER NOT NULL DEFAULT 0,
    leasedBy TEXT, leaseEnds INTEGER NOT NULL DEFAULT 0, handOvers INTEGER NOT NULL DEFAULT 0,
    state TEXT, key TEXT, headers TEXT NOT NULL, body BLOB NOT NULL);
  CREATE INDEX IF NOT EXISTS queues ON documents (topic, name, dead, seq);
`;
// #endregion schema

export const leaseMs = 5_000;

interface Row {
  readonly seq: number;
  readonly handOvers: number;
  readonly state: string | null;
  readonly key: string | null;
  readonly headers: string;
  readonly body: Uint8Array;
}

/** A queue as the store knows it. */
export interface Queue {
  readonly topic: string;
  readonly name: string;
  readonly dead: 0 | 1;
}

/** The broker: a file, and what can be done with it in one step each. */
export class Store {
  readonly db: DatabaseSync;

  constructor(file: string) {
    this.db = new DatabaseSync(file, { open: false });
  }

  open(): void {
    if (!this.db.isOpen) this.db.open();
    this.db.exec(schema);
  }

  close(): void {
    if (this.db.isOpen) this.db.close();
  }

  topic(name: string): StoredTopic | undefined {
    const [row] = this.#all('SELECT record FROM topics WHERE name = ?', name);
    return row === undefined ? undefined : (JSON.parse(String(row['record'])) as StoredTopic);
  }

  topics(): readonly StoredTopic[] {
    return this.#all('SELECT record FROM topics').map(
      ({ record }) => JSON.parse(String(record)) as StoredTopic,
    );
  }

  createTopic(topic: StoredTopic): void {
    this.#run('INSERT OR IGNORE INTO topics VALUES (?, ?)', topic.name, JSON.stringify(topic));
  }

  /** False if something else is stored by now. */
  replaceTopic(current: StoredTopic, next: StoredTopic): boolean {
    const update = 'UPDATE topics SET record = ? WHERE name = ? AND record = ?';
    return this.#run(update, JSON.stringify(next), current.name, JSON.stringify(current)) === 1;
  }

  names(topic: string): readonly string[] {
    return this.#all('SELECT name FROM subscriptions WHERE topic = ?', topic).map(({ name }) =>
      String(name),
    );
  }

  subscribe(topic: string, name: string): boolean {
    return this.#run('INSERT OR IGNORE INTO subscriptions VALUES (?, ?)', topic, name) === 1;
  }

  unsubscribe(topic: string, name: string): void {
    this.#run('DELETE FROM subscriptions WHERE topic = ? AND name = ?', topic, name);
    this.#run('DELETE FROM documents WHERE topic = ? AND name = ?', topic, name);
  }

  // #region publish
  /** Every record into every subscription there is, all or nothing, on disk when it returns. */
  publish(topic: string, records: readonly OutboundRecord[]): void {
    const insert = this.db.prepare(
      `INSERT INTO documents (topic, name, key, headers, body)
       SELECT topic, name, ?, ?, ? FROM subscriptions WHERE topic = ?`,
    );
    this.db.exec('BEGIN IMMEDIATE');
    try {
      for (const { key, headers, body } of records) {
        insert.run(key ?? null, JSON.stringify(headers), body ?? new Uint8Array(), topic);
      }
      this.db.exec('COMMIT');
    } catch (error) {
      this.db.exec('ROLLBACK');
      throw error;
    }
  }
  // #endregion publish

  // #region lease
  /** Leases up to `limit` documents to a member: nobody else gets them until the lease ends. */
  lease({ topic, name, dead }: Queue, member: string, limit: number): readonly Leased[] {
    const now = Date.now();
    const rows = this.#all(
      `UPDATE documents SET leasedBy = ?, leaseEnds = ?, handOvers = handOvers + 1
       WHERE seq IN (SELECT seq FROM documents
                     WHERE topic = ? AND name = ? AND dead = ? AND readyAt <= ? AND leaseEnds <= ?
                     ORDER BY seq LIMIT ?)
       RETURNING seq, handOvers, state, key, headers, body`,
      member,
      now + leaseMs,
      topic,
      name,
      dead,
      now,
      now,
      limit,
    ) as unknown as readonly Row[];
    return rows
      .toSorted((a, b) => a.seq - b.seq)
      .map(({ seq, handOvers, state, key, headers, body }) => ({
        token: seq,
        redelivered: handOvers > 1,
        state: state ?? undefined,
        key: key ?? undefined,
        headers: JSON.parse(headers) as Record<string, string>,
        body,
      }));
  }
  // #endregion lease

  // #region settle
  /** False where the lease was no longer the member's. */
  settle(member: string, settlement: Settlement): boolean {
    const seq = settlement.token as number;
    if (settlement.verdict === 'done') {
      return this.#run('DELETE FROM documents WHERE seq = ? AND leasedBy = ?', seq, member) === 1;
    }
    const { verdict, state } = settlement;
    const readyAt = verdict === 'again' ? Date.now() + settlement.delayMs : 0;
    const update = `UPDATE documents SET leasedBy = NULL, leaseEnds = 0, handOvers = 0, readyAt = ?, state = ?,
      dead = CASE ? WHEN 'dead' THEN 1 WHEN 'again' THEN 0 ELSE dead END WHERE seq = ? AND leasedBy = ?`;
    return this.#run(update, readyAt, state, verdict, seq, member) === 1;
  }
  // #endregion settle

  note(member: string, seq: number, state: string): boolean {
    return (
      this.#run(
        'UPDATE documents SET state = ? WHERE seq = ? AND leasedBy = ?',
        state,
        seq,
        member,
      ) === 1
    );
  }

  renew(member: string): void {
    this.#run(
      'UPDATE documents SET leaseEnds = ? WHERE leasedBy = ?',
      Date.now() + leaseMs,
      member,
    );
  }

  giveBack(member: string): void {
    this.#run('UPDATE documents SET leasedBy = NULL, leaseEnds = 0 WHERE leasedBy = ?', member);
  }

  /** Whether another member holds documents of this queue. */
  heldByOthers({ topic, name, dead }: Queue, member: string): boolean {
    const query = `SELECT 1 FROM documents WHERE topic = ? AND name = ? AND dead = ? AND leaseEnds > ?
      AND leasedBy <> ? LIMIT 1`;
    return this.#all(query, topic, name, dead, Date.now(), member).length > 0;
  }

  counts(topic: string, name: string): SubscriptionCounts {
    const [row] = this.#all(
      `SELECT COALESCE(SUM(dead), 0) AS dead,
         COALESCE(SUM(NOT dead AND leaseEnds > $now), 0) AS leased,
         COALESCE(SUM(NOT dead AND leaseEnds <= $now AND readyAt > $now), 0) AS delayed,
         COALESCE(SUM(NOT dead AND leaseEnds <= $now AND readyAt <= $now), 0) AS ready
       FROM documents WHERE topic = $topic AND name = $name`.replaceAll('$now', String(Date.now())),
      { topic, name },
    );
    const count = (column: string): number => Number(row?.[column]);
    return {
      ready: count('ready'),
      leased: count('leased'),
      delayed: count('delayed'),
      dead: count('dead'),
      oldestMs: undefined,
      consumers: undefined,
    };
  }

  #all(
    sql: string,
    ...values: (SQLInputValue | Record<string, SQLInputValue>)[]
  ): readonly Record<string, unknown>[] {
    return this.db.prepare(sql).all(...(values as SQLInputValue[]));
  }

  #run(sql: string, ...values: SQLInputValue[]): number {
    return Number(this.db.prepare(sql).run(...values).changes);
  }
}
