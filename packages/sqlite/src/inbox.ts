import { createHash, randomUUID } from 'node:crypto';
import { BusError } from '@duobus/core/driver';
import type { BeginResult, IdempotenceStore } from '@duobus/core';
import { whileBusy } from './busy.ts';
import { storeError } from './inbox-errors.ts';
import { InboxFile } from './inbox-file.ts';
import { inFrame, isWithin, refuseNested } from './inbox-frames.ts';
import { Line } from './inbox-line.ts';
import { type InboxSettings, inboxSettings, type SqliteInboxOptions } from './inbox-options.ts';
import { HandlerTransaction, type SqliteTransaction } from './inbox-transaction.ts';

/** Marks of what has been done, in the file of the effects. */
export interface SqliteInbox
  extends Required<IdempotenceStore<SqliteTransaction>>,
    AsyncDisposable {
  /** Lets the transaction that is running end, refuses those that wait, and closes the file. Idempotent. */
  close(): Promise<void>;
}

const expireEvery = 500;
const expireAtOnce = 1000;

/**
 * Exactly one effect for each document: what the handler writes through its transaction and the mark are committed
 * together. The inbox opens a connection of its own, and its transactions in this process run one at a time.
 * @example idempotent((order, delivery, tx) => tx.prepare('INSERT ...').run(order.id), { store: sqliteInbox('shop.db'), scope: 'v1' })
 */
export function sqliteInbox(pathOrOptions: string | SqliteInboxOptions): SqliteInbox {
  return new Inbox(inboxSettings(pathOrOptions));
}

class Inbox implements SqliteInbox {
  readonly keepsForMs: number | null;
  readonly #settings: InboxSettings;
  readonly #line: Line;
  #file: InboxFile | undefined;
  #closed: Promise<void> | undefined;
  #written = 0;

  constructor(settings: InboxSettings) {
    this.keepsForMs = settings.keepsForMs;
    this.#settings = settings;
    this.#line = new Line(settings.maxWaiting);
  }

  begin(key: string, leaseMs: number, owner: string = randomUUID()): Promise<BeginResult> {
    const hash = hashOf(key);
    return this.#write('begin', (file) => {
      const found = file.find.get(hash);
      if (found?.['done'] === 1) return 'done';
      if (found?.['running'] === 1 && found['owner'] !== owner) return 'running';
      file.take.run(hash, owner, leaseMs);
      return 'new';
    });
  }

  done(key: string, owner?: string): Promise<void> {
    const hash = hashOf(key);
    return this.#write('mark as done', (file) => {
      const found = file.find.get(hash);
      if (found?.['running'] === 1 && owner !== undefined && found['owner'] !== owner)
        throw new BusError(
          'DUOBUS_CONFLICT',
          'sqliteInbox: the lease of this run has ended and another has taken its place, which may repeat the effect: raise leaseMs above the longest run',
          { retryable: true },
        );
      this.#mark(file, hash);
    });
  }

  fail(key: string, owner?: string): Promise<void> {
    const hash = hashOf(key);
    return this.#write('free', (file) => {
      const held = file.find.get(hash)?.['owner'] ?? null;
      if (held !== null && (owner === undefined || held === owner)) file.free.run(hash);
    });
  }

  transaction<T>(
    key: string,
    effect: (tx: SqliteTransaction) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<{ readonly result: BeginResult; readonly value?: T }> {
    const hash = hashOf(key);
    return this.#within(async (file) => {
      await this.#begin(file, signal);
      const found = file.find.get(hash);
      if (found?.['done'] === 1 || found?.['running'] === 1) {
        this.#rollBack(file);
        return { result: found['done'] === 1 ? 'done' : 'running' };
      }
      file.database.exec('SAVEPOINT duobus');
      const handler = new HandlerTransaction(file.database);
      let value: T;
      try {
        value = await inFrame(this.#settings.path, () => effect(handler));
      } catch (error) {
        handler.end();
        this.#rollBack(file);
        throw error;
      }
      handler.end();
      this.#release(file);
      await this.#commit(file, () => this.#mark(file, hash));
      return { result: 'new', value };
    }, signal);
  }

  /** The savepoint is gone where the transaction is not the one that was begun. */
  #release(file: InboxFile): void {
    try {
      file.database.exec('RELEASE duobus');
    } catch (error) {
      this.#rollBack(file);
      throw new TypeError(
        'sqliteInbox: the handler has ended the transaction itself, so that its effects and the mark could not be committed together: leave COMMIT and ROLLBACK out, throw to roll back',
        { cause: error },
      );
    }
  }

  /** Closing rolls back as well; the next transaction opens the file anew. */
  #rollBack({ database }: InboxFile): void {
    try {
      database.exec('ROLLBACK');
    } catch (error) {
      // SQLite ends some transactions by itself when a statement fails
      if (String(error).includes('no transaction is active')) return;
      this.#file = undefined;
      database.close();
    }
  }

  /** A transaction of the inbox's own. */
  #write<T>(doing: string, work: (file: InboxFile) => T): Promise<T> {
    return this.#within(async (file) => {
      await this.#begin(file, undefined);
      let value: T;
      try {
        value = work(file);
      } catch (error) {
        this.#rollBack(file);
        throw storeError(error, doing, this.#settings.path);
      }
      await this.#commit(file, () => undefined);
      return value;
    });
  }

  /** The line is one for all: `work` has the connection alone. */
  async #within<T>(work: (file: InboxFile) => Promise<T>, signal?: AbortSignal): Promise<T> {
    refuseNested(this.#settings.path);
    return this.#line.run(async () => work(await this.#open()), signal);
  }

  async #open(): Promise<InboxFile> {
    try {
      return (this.#file ??= await InboxFile.open(this.#settings));
    } catch (error) {
      throw storeError(error, 'open its file', this.#settings.path);
    }
  }

  async #begin(file: InboxFile, signal: AbortSignal | undefined): Promise<void> {
    const { busyTimeoutMs, path } = this.#settings;
    try {
      await whileBusy(busyTimeoutMs, () => file.database.exec('BEGIN IMMEDIATE'), signal);
    } catch (error) {
      if (signal?.aborted === true) throw signal.reason;
      throw storeError(error, 'begin', path);
    }
  }

  async #commit(file: InboxFile, mark: () => void): Promise<void> {
    const { busyTimeoutMs, path } = this.#settings;
    try {
      mark();
      await whileBusy(busyTimeoutMs, () => file.database.exec('COMMIT'));
    } catch (error) {
      this.#rollBack(file);
      throw storeError(error, 'commit', path);
    }
  }

  #mark(file: InboxFile, hash: Uint8Array): void {
    file.mark.run(hash);
    if (this.keepsForMs !== null && this.#written % expireEvery === 0)
      file.expire.run(expireAtOnce);
    this.#written += 1;
  }

  async close(): Promise<void> {
    if (isWithin(this.#settings.path))
      throw new TypeError('sqliteInbox: a handler cannot close the inbox that waits for it to end');
    this.#closed ??= this.#line.close(
      new BusError('DUOBUS_CLOSED', 'sqliteInbox: it has been closed'),
      async () => this.#file?.database.close(),
    );
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** UTF-16, in which every string differs from every other, also one that is not well-formed. */
function hashOf(key: string): Uint8Array {
  return createHash('sha256').update(key, 'utf16le').digest();
}
