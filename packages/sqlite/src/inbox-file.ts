import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { BusError } from '@duobus/core/driver';
import { whileBusy } from './busy.ts';
import type { InboxSettings } from './inbox-options.ts';

const version = 1;

const nowMs = "unixepoch('subsec') * 1000";

/** The inbox's own connection to the file, with its statements. */
export class InboxFile {
  readonly database: DatabaseSync;
  readonly find: StatementSync;
  readonly take: StatementSync;
  readonly mark: StatementSync;
  readonly free: StatementSync;
  readonly expire: StatementSync;

  constructor(database: DatabaseSync, { table, keepsForMs }: InboxSettings) {
    this.database = database;
    const isDone = `owner IS NULL AND at > ${nowMs} - ${keepsForMs ?? 0}`;
    this.find = database.prepare(`SELECT owner,
${keepsForMs === null ? 'owner IS NULL' : isDone} AS done, owner IS NOT NULL AND at > ${nowMs} AS running
FROM ${table} WHERE hash = ?`);
    this.take = database.prepare(
      `INSERT OR REPLACE INTO ${table} (hash, owner, at) VALUES (?, ?, ${nowMs} + ?)`,
    );
    this.mark = database.prepare(
      `INSERT OR REPLACE INTO ${table} (hash, owner, at) VALUES (?, NULL, ${nowMs})`,
    );
    this.free = database.prepare(`DELETE FROM ${table} WHERE hash = ?`);
    this.expire = database.prepare(`DELETE FROM ${table} WHERE hash IN
(SELECT hash FROM ${table} WHERE at <= ${nowMs} - ${keepsForMs ?? 0} ORDER BY at LIMIT ?)`);
  }

  /** Opens the file, and makes the table if there is none. */
  static async open(settings: InboxSettings): Promise<InboxFile> {
    const { path, busyTimeoutMs, table } = settings;
    const patiently = <T>(work: () => T): Promise<T> => whileBusy(busyTimeoutMs, work);
    const database = new DatabaseSync(path);
    try {
      database.exec('PRAGMA busy_timeout = 0');
      await patiently(() => database.exec('PRAGMA journal_mode = WAL'));
      database.exec('PRAGMA synchronous = FULL');
      await patiently(() => database.exec('BEGIN IMMEDIATE'));
      makeTable(database, table);
      await patiently(() => database.exec('COMMIT'));
      return new InboxFile(database, settings);
    } catch (error) {
      database.close();
      throw error;
    }
  }
}

function makeTable(database: DatabaseSync, table: string): void {
  database.exec(
    'CREATE TABLE IF NOT EXISTS duobus_versions (name TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT',
  );
  const found = database.prepare('SELECT version FROM duobus_versions WHERE name = ?').get(table);
  const has = found?.['version'] as number | undefined;
  if (has === version) return;
  if (has !== undefined)
    throw new BusError(
      'DUOBUS_CONFLICT',
      `sqliteInbox: the table ${table} has version ${has}, this package knows ${version}: update @duobus/sqlite`,
      { context: { table, has, knows: version } },
    );
  if (database.prepare('SELECT 1 FROM sqlite_schema WHERE name = ?').get(table) !== undefined)
    throw new BusError(
      'DUOBUS_CONFLICT',
      `sqliteInbox: the table ${table} exists and is no inbox of duobus: name another with the option table`,
      { context: { table } },
    );
  // at, in ms: when it was done, or when the lease of its owner ends
  database.exec(
    `CREATE TABLE ${table} (hash BLOB PRIMARY KEY, owner TEXT, at REAL NOT NULL) STRICT, WITHOUT ROWID`,
  );
  database.exec(`CREATE INDEX ${table}_at ON ${table} (at)`);
  database.prepare('INSERT INTO duobus_versions (name, version) VALUES (?, ?)').run(table, version);
}
