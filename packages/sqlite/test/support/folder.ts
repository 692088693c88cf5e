import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after } from 'node:test';
import {
  sqliteInbox,
  type SqliteInbox,
  type SqliteInboxOptions,
  type SqliteTransaction,
} from '../../src/index.ts';

export interface Folder {
  path(name: string): string;
  /** Over a file with a table `effects`; closed when the tests are over. */
  inbox(name: string, options?: Omit<SqliteInboxOptions, 'path'>): SqliteInbox;
  effects(name: string): readonly string[];
}

export function useFolder(): Folder {
  const folder = mkdtempSync(join(tmpdir(), 'duobus-'));
  const inboxes: SqliteInbox[] = [];
  const path = (name: string): string => join(folder, `${name}.db`);
  after(async () => {
    for (const inbox of inboxes) await inbox.close();
    rmSync(folder, { recursive: true });
  });
  return {
    path,
    inbox(name, options = {}) {
      using(path(name), (database) =>
        database.exec('CREATE TABLE IF NOT EXISTS effects (effect TEXT)'),
      );
      const inbox = sqliteInbox({ path: path(name), ...options });
      inboxes.push(inbox);
      return inbox;
    },
    effects: (name) =>
      using(path(name), (database) =>
        database
          .prepare('SELECT effect FROM effects ORDER BY rowid')
          .all()
          .map(({ effect }) => String(effect)),
      ),
  };
}

export function using<T>(path: string, work: (database: DatabaseSync) => T): T {
  const database = new DatabaseSync(path);
  try {
    return work(database);
  } finally {
    database.close();
  }
}

export const write = (tx: SqliteTransaction, effect: string): void =>
  void tx.prepare('INSERT INTO effects VALUES (?)').run(effect);

export const nothing = async (): Promise<void> => undefined;

export const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** Looks again until it is so. */
export async function until(look: () => Promise<boolean> | boolean): Promise<void> {
  for (const over = performance.now() + 30_000; !(await look()); ) {
    if (performance.now() > over) throw new Error('not within 30 s');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
