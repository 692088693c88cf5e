/** `new`: go on, the key is now running. `running`: another run of it has not ended. `done`: do not run. */
export type BeginResult = 'new' | 'running' | 'done';

/** Where `idempotent` and `delivery.once` keep what has been done. */
export interface IdempotenceStore<Tx = unknown> {
  /** How long a mark is kept, in ms; `null` is for ever. Must not be below the topic's retention. */
  readonly keepsForMs: number | null;
  /** Marks the key as running for at most `leaseMs`, unless it is running or done. One of several callers gets `new`. */
  begin(key: string, leaseMs: number): Promise<BeginResult>;
  /** Marks a running key as done, for good. */
  done(key: string): Promise<void>;
  /** Takes the running mark away: the next `begin` gets `new`. */
  fail(key: string): Promise<void>;
  /** Transactional stores: runs `effect` and marks the key in one transaction. Used instead of the three above. */
  transaction?<T>(key: string, effect: (tx: Tx) => Promise<T>): Promise<{ readonly result: BeginResult; readonly value?: T }>;
}
