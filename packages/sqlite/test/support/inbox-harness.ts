import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { InboxHarness } from '@duobus/conformance/inbox';
import { sqliteInbox, type SqliteInboxOptions, type SqliteTransaction } from '../../src/index.ts';

export interface HarnessOptions {
  readonly folder: string;
}

/** Its table of effects is made by the test. */
export function inboxHarness(given: unknown): InboxHarness {
  const { folder } = given as HarnessOptions;
  const path = join(folder, 'suite.db');
  const opened = (options: SqliteInboxOptions) => {
    const store = sqliteInbox(options);
    return { store, close: () => store.close() };
  };
  return {
    name: 'sqlite',
    nested: 'refused',
    open: async (options = {}) => opened({ path, ...options }),
    effects: {
      write: (tx, effect) =>
        void (tx as SqliteTransaction).prepare('INSERT INTO effects VALUES (?)').run(effect),
      read: async (containing) => {
        const database = new DatabaseSync(path);
        const rows = database
          .prepare('SELECT effect FROM effects WHERE instr(effect, ?) > 0')
          .all(containing);
        database.close();
        return rows.map(({ effect }) => String(effect));
      },
    },
    away: async () => opened({ path: join(folder, 'not there', 'away.db') }),
    processes: { module: import.meta.url, options: { folder } },
  };
}
