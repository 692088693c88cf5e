import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** A database in a folder of its own. */
export interface DatabaseFile extends Disposable {
  readonly path: string;
  /** A connection; closed with the file. */
  connect(): DatabaseSync;
}

export function databaseFile(journal: 'wal' | 'delete' = 'wal'): DatabaseFile {
  const folder = mkdtempSync(join(tmpdir(), 'duobus-outbox-'));
  const path = join(folder, 'shop.db');
  const open: DatabaseSync[] = [];
  const connect = (): DatabaseSync => {
    const database = new DatabaseSync(path);
    open.push(database);
    return database;
  };
  connect().exec(`pragma journal_mode = ${journal}`);
  return {
    path,
    connect,
    [Symbol.dispose]() {
      for (const database of open) if (database.isOpen) database.close();
      rmSync(folder, { recursive: true });
    },
  };
}
