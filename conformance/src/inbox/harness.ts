import type { IdempotenceStore } from '@duobus/core';

/** A store with connections of its own. */
export interface OpenStore {
  readonly store: IdempotenceStore;
  close(): Promise<void>;
}

/** What is committed together with the marks of a transactional store. */
export interface Effects {
  /** Writes one within the transaction, as a handler would. It is not written before with the same text. */
  write(tx: unknown, effect: string): void | Promise<void>;
  /** Those that are committed and contain this text, in any order. */
  read(containing: string): Promise<readonly string[]>;
}

/** What the suite needs to know of an idempotence store. */
export interface InboxHarness {
  readonly name: string;
  /** A store over the same marks as every other that this harness opens. `keepsForMs`: default that of the store. */
  open(options?: { readonly keepsForMs?: number | null }): Promise<OpenStore>;
  /** Stores with transactions. */
  readonly effects?: Effects;
  /** What a transaction inside of another one over the same store does: it commits for itself, or is refused at once.
   *  Default 'commits'. Stores with transactions. */
  readonly nested?: 'commits' | 'refused';
  /** A store whose database cannot be reached. */
  away?(): Promise<OpenStore>;
  /** How other processes get at the same marks. Without it no case runs in several. */
  readonly processes?: InboxProcesses;
  /** Multiplies every time limit. Default 1. */
  readonly slow?: number;
}

export interface InboxProcesses {
  /** Module that exports `inboxHarness(options)`, as a URL. */
  readonly module: string;
  /** What it is called with: JSON. */
  readonly options?: unknown;
}

/** What such a module exports. */
export interface InboxModule {
  readonly inboxHarness: (options: unknown) => InboxHarness | Promise<InboxHarness>;
}
