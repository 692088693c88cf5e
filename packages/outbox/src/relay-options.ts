import type { AnyTopic } from '@duobus/core';
import { checkInteger, checkOptions } from '@duobus/core/envelopes';

export interface RelayOptions {
  /** Time between two looks for new rows where nothing has told of them, in ms. Default 1,000. */
  readonly pollMs?: number;
  /** How long a relay that is silent stays the active one, in ms: after that another takes over. Default 10,000; at least
   *  1,000. */
  readonly leaseMs?: number;
  /** Documents held in memory, and in flight, at most. Default 1,000. */
  readonly maxDocuments?: number;
  /** Their size in bytes at most; a single larger one passes. Default 16,777,216 (16 MiB). */
  readonly maxBytes?: number;
  /** After so many documents in a row were refused for good, and none published between, no more are set aside: they are
   *  tried every `brakeMs` until one is published. Default 20. */
  readonly brakeAfter?: number;
  /** See `brakeAfter`, in ms. Default 30,000. */
  readonly brakeMs?: number;
  /** `health` is bad when the oldest document has waited for so long, in ms. Default 300,000. */
  readonly stuckAfterMs?: number;
  /** How long a call of the database may take before it counts as failed, in ms. Default 30,000. */
  readonly storeTimeoutMs?: number;
  /** Time that `close` gives what is in flight, in ms. Default 25,000. */
  readonly graceMs?: number;
  /** Topics whose options go before those that were written with the documents: for topics that were changed with
   *  `topics.alter` meanwhile. Default: none. */
  readonly topics?: readonly AnyTopic[];
  /** Told what happens, synchronously. What it throws is ignored. Default: nobody. */
  readonly onEvent?: (event: RelayEvent) => void;
}

/** Why a relay exists at the moment: it publishes, waits for another to go, or has ended. */
export type RelayState = 'starting' | 'active' | 'standby' | 'closed';

export type RelayEvent =
  | { readonly type: 'state'; readonly state: RelayState }
  /** So many documents were published, and their rows deleted. */
  | { readonly type: 'published'; readonly count: number }
  /** A document was set aside. */
  | {
      readonly type: 'set-aside';
      readonly id: string;
      readonly topic: string;
      readonly error: unknown;
    }
  /** A publish failed, and will be tried again with the same id. */
  | { readonly type: 'retry'; readonly id: string; readonly topic: string; readonly error: unknown }
  /** The database could not be reached or used, and will be again; `listen`: only its notifications. */
  | { readonly type: 'store'; readonly call: 'listen' | 'work'; readonly error: unknown };

export type Settings = Required<Omit<RelayOptions, 'onEvent'>> & Pick<RelayOptions, 'onEvent'>;

const least = {
  pollMs: [1_000, 1],
  leaseMs: [10_000, 1_000],
  maxDocuments: [1_000, 1],
  maxBytes: [16_777_216, 1],
  brakeAfter: [20, 1],
  brakeMs: [30_000, 1],
  stuckAfterMs: [300_000, 1],
  storeTimeoutMs: [30_000, 1],
  graceMs: [25_000, 0],
} as const satisfies Readonly<Record<string, readonly [standard: number, least: number]>>;

type Numbers = { -readonly [K in keyof typeof least]: number };

/** @throws TypeError for options that a relay does not take. */
export function settingsOf(options: RelayOptions): Settings {
  const given = checkOptions('startRelay', options, [...Object.keys(least), 'topics', 'onEvent']);
  const numbers = {} as Numbers;
  for (const [name, [standard, lowest]] of Object.entries(least)) {
    checkInteger('startRelay', name, given[name], lowest, Number.MAX_SAFE_INTEGER);
    numbers[name as keyof Numbers] = (given[name] as number | undefined) ?? standard;
  }
  const { topics = [], onEvent } = options;
  const areTopics =
    Array.isArray(topics) && topics.every((one: AnyTopic | null) => one?.types instanceof Map);
  if (!areTopics)
    throw new TypeError(
      'startRelay: topics must be a list of topics, made with topic(name, options)',
    );
  if (onEvent !== undefined && typeof onEvent !== 'function')
    throw new TypeError('startRelay: onEvent must be a function (event) => ...');
  return { ...numbers, topics, ...(onEvent === undefined ? {} : { onEvent }) };
}
