import type { InboxProcesses } from './harness.ts';

/** What a child process is told. */
export type Job = {
  readonly processes: InboxProcesses;
  readonly limitMs: number;
} /** Does the effects of these keys. */ & (
  | {
      readonly do: 'work';
      readonly keys: readonly string[];
      readonly concurrency: number;
      /** Says when it is ready, and waits until it is told to go. */
      readonly waits?: boolean;
    }
  /** Begins the effect of a key within a transaction, and never ends it. */
  | { readonly do: 'hold'; readonly key: string }
);

/** What it says. */
export type Report =
  /** An effect of a store without transactions. */
  | { readonly what: 'effect'; readonly key: string }
  | { readonly what: 'settled'; readonly key: string }
  | { readonly what: 'ready' }
  | { readonly what: 'holding' }
  | { readonly what: 'over' }
  | { readonly what: 'failed'; readonly message: string };
