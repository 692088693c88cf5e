import type { StoredTopic } from '../driver.ts';
import type { HandleState } from '../handle.ts';

/** One topic of a handle: brings documents from the broker to the dispatcher, and settles them. */
export interface Feed {
  readonly topic: StoredTopic;
  /** Worst first: what keeps it from running. */
  readonly trouble: { readonly state: HandleState; readonly detail: string } | undefined;
  readonly settled: number;
  readonly reconnects: number;
  readonly partitions: readonly number[];
  /** Settles what is done, as nothing else is to do. */
  idle(): void;
  /** This process stood still, and may have lost what it owned: hands out nothing before that is known. */
  stoodStill?(): void;
  /** No more intake. What has been taken can still be settled. */
  quiesce(): Promise<void>;
  /** Settles, gives back what is left, lets go. Nothing is running any more, or its result does not count. */
  finish(): Promise<void>;
}
