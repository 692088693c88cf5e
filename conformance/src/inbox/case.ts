import type { InboxContext } from './context.ts';
import type { InboxHarness } from './harness.ts';

/** One named case of the suite for stores. */
export interface InboxCase {
  readonly name: string;
  /** What the harness has to offer. */
  readonly needs: readonly ('effects' | 'processes' | 'away')[];
  readonly run: (context: InboxContext) => Promise<void>;
}

export function applies({ needs }: InboxCase, harness: InboxHarness): boolean {
  return needs.every((need) => harness[need] !== undefined);
}
