import type { Attributes } from './envelope.ts';

export const deadReasons = [
  'attempts',
  'rejected',
  'crash',
  'decode',
  'schema',
  'unknown-type',
] as const;

export type DeadReason = (typeof deadReasons)[number];

export interface DeadLetter {
  /** Identity: the same for the twins that a crash can make. */
  readonly identity: string;
  readonly topic: string;
  /** Subscription or group. */
  readonly name: string;
  /** Undefined where the document is not a CloudEvent. */
  readonly id: string | undefined;
  readonly source: string | undefined;
  readonly type: string | undefined;
  readonly attributes: Attributes | undefined;
  /** The original body. */
  readonly data: Uint8Array;
  readonly reason: DeadReason;
  /** What went wrong, in a sentence. */
  readonly message: string;
  readonly attempts: number;
  /** When it became a dead letter, in ms since 1970. */
  readonly deadAt: number;
  /** Data bus only. */
  readonly position: string | undefined;
  readonly epoch: number | undefined;
}

/** Which dead letters a redrive or purge is about. Default: all. */
export interface DeadLetterFilter {
  /** These alone, by their `identity`. */
  readonly identities?: readonly string[];
  /** Those that died of this: 'attempts', 'rejected', 'crash', 'decode', 'schema' or 'unknown-type'. */
  readonly reason?: DeadReason;
  /** Those for which it returns true. */
  readonly where?: (letter: DeadLetter) => boolean;
}

/** The dead letters of one subscription or group. Iterating lists them; it changes nothing. */
export interface DeadLetters extends AsyncIterable<DeadLetter> {
  /** Hands them to their subscription or group again: attempt 1, cause `redrive`. Resolves to how many. */
  redrive(filter?: DeadLetterFilter): Promise<number>;
  /** Deletes them for good. Resolves to how many. */
  purge(filter?: DeadLetterFilter): Promise<number>;
}
