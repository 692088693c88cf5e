/*
 * The seam between the outbox and one database: SQL verbs and nothing else. What is written, in which order it is published,
 * what is tried again and when, lives above it. For every method:
 * - It must not retry, keep timers or cache rows. A call may be given up: what it does afterwards must do no harm.
 * - It must throw a BusError where it can tell: DUOBUS_NOT_FOUND that names `migrate()` for a schema that is missing or
 *   of another version, else DUOBUS_UNAVAILABLE, `retryable`.
 * - Time is the database's, never the process's: several processes share one outbox, and their clocks differ.
 */

/** Which bus a document is for. */
export type BusName = 'event' | 'data';

/** A document as it is written. */
export interface NewRow {
  /** The document's CloudEvents id. Rows of one id may be several. */
  readonly id: string;
  readonly bus: BusName;
  readonly topic: string;
  /** What the topic says about itself, for the relay: opaque. */
  readonly settings: string;
  /** What is published strictly one after the other; `undefined`: in any order. At most 32 characters. */
  readonly lane: string | undefined;
  /** The CloudEvents attributes as JSON. */
  readonly attributes: string;
  readonly data: Uint8Array;
  /** Size of data and attributes. */
  readonly bytes: number;
}

/** A document as it is read. */
export interface OutboxRow extends NewRow {
  /** Names the row for this store: opaque. */
  readonly row: string;
}

/** What a relay asks for. */
export interface ReadRequest {
  /** Rows at most. */
  readonly rows: number;
  /** Their size in bytes at most; the first row comes whatever its size. */
  readonly bytes: number;
  /** Rows that the relay has already: left out. */
  readonly heldRows: readonly string[];
  /** Lanes that the relay wants nothing of: left out. */
  readonly heldLanes: readonly string[];
}

export interface OutboxBatch {
  /** In the order of writing. */
  readonly rows: readonly OutboxRow[];
  /** Whether the same request would find more, beyond these. */
  readonly more: boolean;
}

/** Why a row was set aside. */
export interface SetAsideReason {
  readonly code: string;
  readonly message: string;
}

/** How much is waiting. */
export interface OutboxLag {
  /** Documents that are committed and not known to be published, those set aside excepted. */
  readonly rows: number;
  /** Age of the oldest of them, in ms by the database's clock; 0 when there is none. */
  readonly ms: number;
  /** How many of them wait behind one of their key that was set aside. */
  readonly behind: number;
  /** Documents set aside: see `failed`. */
  readonly setAside: number;
}

/** A document that was set aside. */
export interface FailedRow {
  /** The document's CloudEvents id: what `retry` and `discard` take. */
  readonly id: string;
  readonly bus: BusName;
  readonly topic: string;
  readonly attributes: string;
  readonly data: Uint8Array;
  readonly reason: SetAsideReason;
  /** When it was set aside, in ms since 1970 by the database's clock. */
  readonly failedAt: number;
  /** Names the row for this store: opaque. */
  readonly row: string;
}

/** What `listen` tells: there may be new rows, or the lease may be free. */
export type Wake = (what: 'rows' | 'lease') => void;

/** The tables of one outbox. `Tx` is what the caller's transaction is to the database. */
export interface OutboxStore<Tx = unknown> {
  /** Inserts rows in this order, inside of the caller's transaction: with its commit all are there, with its rollback
   *  none. A store whose database is synchronous returns nothing, else a promise. */
  insert(tx: Tx, rows: readonly NewRow[]): Promise<void> | void;
  /** Creates the tables, or brings them up to date. May be called by many processes at once; keeps what is there. */
  migrate(): Promise<void>;
  /** Takes the lease if it is free, has run out, or is the owner's own. Every taking gets a fence greater than all before.
   *  `undefined`: another has it. */
  acquire(owner: string, leaseMs: number): Promise<number | undefined>;
  /** Prolongs the lease from now on. False: it is another's by now; one that has run out, and nobody has taken, is ours. */
  renew(fence: number, leaseMs: number): Promise<boolean>;
  /** Frees the lease if it is still ours, so that another can take it at once. */
  release(fence: number): Promise<void>;
  /** The oldest committed rows, none of a lane in which a row is set aside. Must not read more than is asked for, however
   *  many are waiting, and see in a lane no row without those that were committed before it was written. */
  read(fence: number, request: ReadRequest): Promise<OutboxBatch>;
  /** Deletes published rows. False, and nothing is deleted: the lease is another's. */
  remove(fence: number, rows: readonly string[]): Promise<boolean>;
  /** Sets a row aside, and with it what comes after it in its lane. False, and nothing is done: the lease is another's. */
  setAside(fence: number, row: string, reason: SetAsideReason): Promise<boolean>;
  lag(): Promise<OutboxLag>;
  /** Rows set aside, in the order of writing, beyond the row `after`. */
  failed(after: string | undefined, limit: number): Promise<readonly FailedRow[]>;
  /** 'retry' puts the rows of that id that are set aside back into their places, 'discard' deletes them; in both cases
   *  what waited behind them goes on, unless another row of the lane is set aside. Resolves to how many they were. */
  settle(id: string, verdict: 'retry' | 'discard'): Promise<number>;
  /** Calls `wake` once it listens, and whenever it may be worth looking; spurious calls are allowed. Resolves when the
   *  signal is aborted, rejects when it can listen no longer, and leaves nothing behind in both cases. */
  listen(wake: Wake, signal: AbortSignal): Promise<void>;
}
