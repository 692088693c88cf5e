import type { Bus } from '@duobus/core';
import type { CaseContext } from './context.ts';
import type { Harness } from './harness.ts';
import type { Kind } from './protocol.ts';
import type { Rule } from './rules.ts';

/** One named case of the suite. Ids are stable: reports are compared by them. */
export interface Case {
  readonly name: string;
  /** What users are promised, in a sentence. */
  readonly promises: string;
  /** What of an adapter usually makes it fail. */
  readonly causes: string;
  /** At most three. */
  readonly rules: readonly [Rule] | readonly [Rule, Rule] | readonly [Rule, Rule, Rule];
  readonly needs: readonly Kind[];
  /** Capabilities without which the adapter must say DUOBUS_NOT_SUPPORTED: tells what is missing, if so. */
  readonly requires?: (bus: Bus) => Unsupported | undefined;
  /** Hurts the broker itself: nothing else may run. */
  readonly alone?: (harness: Harness) => boolean;
  /** A consumer of it dies. */
  readonly dies?: boolean;
  readonly run: (context: CaseContext) => Promise<void>;
}

/** A capability that is not declared, and a use of it that must be refused. */
export interface Unsupported {
  readonly what: string;
  readonly probe: (context: CaseContext) => Promise<unknown>;
}
