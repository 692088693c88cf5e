/** running: handling or waiting for documents. stalled: nothing can be handed out (reconnecting, paused by too many held
 *  documents). braked: an outage of the handler is assumed (design: C5). halted: stopped at a document by policy.
 *  lost: the pointer's record is gone and the policy is to fail. closed: over. */
export type HandleState = 'running' | 'stalled' | 'braked' | 'halted' | 'lost' | 'closed';

export interface HandleStats {
  /** Handler runs that returned. */
  readonly handled: number;
  /** Handler runs that threw or ran out of time. */
  readonly failed: number;
  readonly deadLettered: number;
  /** Settled and confirmed by the broker. */
  readonly settled: number;
  /** Handed out and not yet settled. */
  readonly running: number;
  /** Taken from the broker and not yet handed out. */
  readonly buffered: number;
  /** Waiting for a retry. */
  readonly held: number;
  /** Results that came after the handler's time was up, or after a reset: ignored. */
  readonly late: number;
  /** When a handler last returned, in ms since 1970. */
  readonly lastHandledAt: number | undefined;
  readonly reconnects: number;
  /** Partitions owned by this handle. */
  readonly partitions: readonly number[];
}

/** A running subscription or group member. */
export interface Handle {
  readonly name: string;
  readonly topics: readonly string[];
  readonly state: HandleState;
  /** Why the state is not `running`, in a sentence. */
  readonly detail: string | undefined;
  /** Data bus: whether the group already had a pointer, so that `from` did not apply. Event bus: whether it existed. */
  readonly resumed: boolean;
  stats(): HandleStats;
  /** Hands out nothing more until `resume`; what runs goes on. */
  pause(): void;
  /** Ends `pause`, or tries a halted partition again. */
  resume(partition?: number): void;
  /** Lets running handlers finish (up to `graceMs`), settles, and leaves. Idempotent. */
  close(): Promise<void>;
  /** Resolves on `close`, rejects on any end that was not asked for. */
  readonly done: Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface Health {
  readonly ok: boolean;
  readonly connected: boolean;
  /** Event bus: subscriptions, of topics this process uses, that had no consumer whenever it looked, for
   *  `neglectedAfterMs` or longer. They go on collecting. Says nothing about `ok`: it is not this process that fails. */
  readonly neglected: readonly {
    readonly topic: string;
    readonly name: string;
    readonly forMs: number;
  }[];
  readonly handles: readonly {
    readonly bus: 'event' | 'data';
    readonly name: string;
    readonly topics: readonly string[];
    readonly state: HandleState;
    readonly ok: boolean;
    readonly detail: string | undefined;
  }[];
}

export interface BackoffOptions {
  /** Delay before the first repetition, in ms. Default 100. */
  readonly firstMs?: number;
  /** By how much every further one is longer, at least 1. Default 3. */
  readonly factor?: number;
  /** The longest delay, in ms. Default 60,000. */
  readonly maxMs?: number;
}

/** Options of both kinds of subscribe. */
export interface ConsumeOptions {
  /** Handlers at a time. Default 16. */
  readonly concurrency?: number;
  /** Documents taken from the broker ahead of the handlers. Default 300. */
  readonly prefetch?: number;
  /** Failed runs before a document becomes a dead letter. Default 8. */
  readonly maxAttempts?: number;
  /** Deaths of the process while handling a document before it becomes a dead letter. Default 3. */
  readonly maxCrashes?: number;
  /** Delay before the n-th repetition: `firstMs * factor^(n-1)`, at most `maxMs`, with full jitter. */
  readonly backoff?: BackoffOptions;
  /** Time of one handler run in ms. Default 300,000 (5 min). */
  readonly handlerTimeoutMs?: number;
  /** Documents in a row that exhaust their attempts before the brake (design: C5). Default 20. */
  readonly brakeAfter?: number;
  /** Time between two tries while braked, in ms. Default 30,000. */
  readonly brakeMs?: number;
  /** Time that `close`, a reset or a move of partitions gives running handlers, in ms. Default 25,000. */
  readonly graceMs?: number;
  /** Documents held for retry per partition where order is by key. Default 1,000. */
  readonly maxAhead?: number;
  /** Aborts the call of subscribe; not the subscription. */
  readonly signal?: AbortSignal;
}
