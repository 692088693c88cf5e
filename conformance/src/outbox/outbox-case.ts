import type { OutboxHarness, OutboxStage } from './stage.ts';

/** One named case of the outbox suite. Names are stable. */
export interface OutboxCase {
  readonly name: string;
  /** False: the store starts without its tables. */
  readonly migrated?: false;
  run(stage: OutboxStage<never>, harness: OutboxHarness<never>): Promise<void>;
}
