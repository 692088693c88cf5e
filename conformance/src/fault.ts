import type { Op } from './history.ts';

/** What a predicate has against a history: a sentence, and the operations that show it. */
export class Fault {
  readonly text: string;
  readonly ops: readonly Op[];
  /** What usually causes it. */
  readonly causes: string | undefined;

  constructor(text: string, ops: readonly Op[], causes?: string) {
    this.text = text;
    this.ops = ops;
    this.causes = causes;
  }

  toString(): string {
    return this.text;
  }
}
