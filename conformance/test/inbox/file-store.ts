import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type BeginResult, BusError, type IdempotenceStore } from '@duobus/core';
import type { InboxHarness } from '../../src/inbox/index.ts';

export interface FileOptions {
  readonly folder: string;
  /** What it gets wrong. */
  readonly flaw?:
    | 'marks first'
    | 'commits effects at once'
    | 'marks afterwards'
    | 'looks before it begins';
}

const away = new BusError('DUOBUS_UNAVAILABLE', 'the file is busy', { retryable: true });

/** Others are in the way for some ms only, whoever comes after one that was killed among them. */
function patiently<T>(work: () => T): T {
  for (;;) {
    try {
      return work();
    } catch (error) {
      if (!/locked/.test(String(error))) throw error;
    }
  }
}

/** The least that is transactional over processes, with flaws; `begin` and the others are not what it is for. */
class FileStore implements IdempotenceStore<DatabaseSync> {
  readonly keepsForMs = null;
  readonly #database: DatabaseSync;
  readonly #flaw: FileOptions['flaw'];
  #turn: Promise<unknown> = Promise.resolve();

  constructor(path: string, flaw: FileOptions['flaw']) {
    this.#database = new DatabaseSync(path);
    this.#flaw = flaw;
  }

  transaction<T>(
    key: string,
    effect: (tx: DatabaseSync) => Promise<T>,
  ): Promise<{ readonly result: BeginResult; readonly value?: T }> {
    const looked = this.#flaw === 'looks before it begins' ? this.#isDone(key) : undefined;
    const run = this.#turn.then(() => this.#run(key, effect, looked));
    this.#turn = run.catch(() => undefined);
    return run;
  }

  async #run<T>(
    key: string,
    effect: (tx: DatabaseSync) => Promise<T>,
    looked: boolean | undefined,
  ): Promise<{ readonly result: BeginResult; readonly value?: T }> {
    const flaw = this.#flaw;
    if (looked !== undefined) await new Promise((next) => setTimeout(next, 5));
    this.#exec('BEGIN IMMEDIATE');
    if (looked ?? this.#isDone(key)) {
      this.#exec('ROLLBACK');
      return { result: 'done' };
    }
    if (flaw === 'marks first') {
      this.#mark(key);
      this.#exec('COMMIT');
      this.#exec('BEGIN IMMEDIATE');
    }
    if (flaw === 'commits effects at once') this.#exec('COMMIT');
    try {
      const value = await effect(this.#database);
      if (flaw === 'marks afterwards') {
        this.#exec('COMMIT');
        await new Promise((next) => setTimeout(next, 20));
      }
      if (flaw !== 'marks first') this.#mark(key);
      if (this.#database.isTransaction) this.#exec('COMMIT');
      return { result: 'new', value };
    } catch (error) {
      if (this.#database.isTransaction) this.#exec('ROLLBACK');
      throw error;
    }
  }

  #isDone(key: string): boolean {
    return patiently(
      () => this.#database.prepare('SELECT 1 FROM marks WHERE key = ?').get(key) !== undefined,
    );
  }

  #mark(key: string): void {
    patiently(() => this.#database.prepare('INSERT OR IGNORE INTO marks VALUES (?)').run(key));
  }

  #exec(sql: string): void {
    try {
      this.#database.exec(sql);
    } catch {
      throw away;
    }
  }

  begin(): Promise<BeginResult> {
    return Promise.reject(new Error('only transactions'));
  }
  done(): Promise<void> {
    return Promise.reject(new Error('only transactions'));
  }
  fail(): Promise<void> {
    return Promise.reject(new Error('only transactions'));
  }
  close(): void {
    this.#database.close();
  }
}

export function makeFile(folder: string): void {
  const database = new DatabaseSync(join(folder, 'store.db'));
  database.exec(`PRAGMA journal_mode = WAL; CREATE TABLE marks (key TEXT PRIMARY KEY);
    CREATE TABLE effects (effect TEXT)`);
  database.close();
}

export function inboxHarness(given: unknown): InboxHarness {
  const { folder, flaw } = given as FileOptions;
  const path = join(folder, 'store.db');
  return {
    name: 'file',
    open: async () => {
      const store = new FileStore(path, flaw);
      return { store, close: async () => store.close() };
    },
    effects: {
      write: (tx, effect) => {
        const insert = (tx as DatabaseSync).prepare('INSERT INTO effects VALUES (?)');
        patiently(() => insert.run(effect));
      },
      read: async (containing) => {
        const database = new DatabaseSync(path);
        const rows = patiently(() =>
          database.prepare('SELECT effect FROM effects WHERE instr(effect, ?) > 0').all(containing),
        );
        database.close();
        return rows.map(({ effect }) => String(effect));
      },
    },
    processes: { module: import.meta.url, options: given },
  };
}
