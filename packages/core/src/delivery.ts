import type { Attributes } from './envelope.ts';
import { checkOptions } from './internal/check-options.ts';
import { checkInteger, checkNumber } from './internal/check-values.ts';
import type { PublishOptions, Receipt } from './publish-options.ts';
import type { Topic } from './topic.ts';

export const causes = [
  'first',
  'retry',
  'returned',
  'takeover',
  'reset',
  'redrive',
  'republished',
  'broker',
] as const;

/** Why this hand-over happens (design: E12). Everything but `first` may be a repetition. */
export type Cause = (typeof causes)[number];

/** One hand-over of an envelope to a handler. */
export interface Delivery {
  readonly bus: 'event' | 'data';
  readonly topic: string;
  /** The subscription or group. */
  readonly name: string;
  /** CloudEvents id, made by the publisher. */
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly key: string | undefined;
  /** All CloudEvents attributes as they were published: the same at every reading. */
  readonly attributes: Attributes;
  /** 1 for the first run of the handler; counts runs that failed, whichever process they were in. */
  readonly attempt: number;
  readonly cause: Cause;
  /** False only where an earlier hand-over is impossible. */
  readonly redelivered: boolean;
  /** Data bus: serialisable place of this document. */
  readonly position: string | undefined;
  /** Data bus: the broker's append time in ms. */
  readonly appendedAt: number | undefined;
  readonly partition: number;
  /** Data bus: how often this group's pointer has been reset here. 0 on the event bus. */
  readonly epoch: number;
  /** Aborted when the handler has run out of time, on a reset, and past the grace time of `close`. */
  readonly signal: AbortSignal;
  /** Publishes with this document's correlation id, and this document as cause. */
  publish<In>(
    topic: Topic<In, unknown>,
    document: NoInfer<In>,
    options?: PublishOptions,
  ): Promise<Receipt>;
  /** Runs `effect` unless it is already marked as done for this document: see `idempotent`. Needs `store` of connect.
   *  `tx` is the transaction of a transactional store, else `undefined`. */
  once<T>(scope: string, effect: (tx: unknown) => T | Promise<T>): Promise<T | undefined>;
}

/** Returning settles the document, throwing is a failed attempt. `reject()` and `retryAfter()` can be thrown. */
export type Handler<Out = unknown> = (document: Out, delivery: Delivery) => unknown;

/** Handlers by CloudEvents type, for topics with several. Types without a handler are settled unseen. */
export type TypeHandlers<Types> = [Types] extends [never]
  ? never
  : {
      readonly [K in keyof Types]?: Handler<
        Types[K] extends { readonly out: infer Out } ? Out : never
      >;
    };

/** One document of a batch. Unsettled items are done when the handler returns, and fail when it throws. */
export interface BatchItem<Out = unknown> {
  readonly document: Out;
  readonly delivery: Delivery;
  done(): void;
  /** A failed attempt; `afterMs` names the delay. */
  retry(cause?: unknown, afterMs?: number): void;
  /** A dead letter at once. */
  reject(reason: string): void;
}

export interface BatchOptions {
  /** Documents at most. Default 100. */
  readonly size?: number;
  /** How long to wait for a full batch in ms. Default 20. */
  readonly waitMs?: number;
}

export interface BatchHandler<Out = unknown> {
  readonly kind: 'batch';
  readonly handle: (items: readonly BatchItem<Out>[], signal: AbortSignal) => unknown;
  readonly size: number;
  readonly waitMs: number;
}

/** A handler for many documents at a time: of one partition and one epoch, all decodable.
 *  @example await bus.events.subscribe(Orders, 'search', batch(async (items) => index(items.map((i) => i.document)), { size: 200 })) */
export function batch<Out>(
  handle: BatchHandler<Out>['handle'],
  options: BatchOptions = {},
): BatchHandler<Out> {
  checkOptions('batch', options, ['size', 'waitMs']);
  const { size = 100, waitMs = 20 } = options;
  checkInteger('batch', 'size', size, 1, Number.MAX_SAFE_INTEGER);
  checkNumber('batch', 'waitMs', waitMs, 0);
  return { kind: 'batch', handle, size, waitMs };
}

/** Runs around every run of a handler for one document; a batch has no delivery of its own, and is run without. Must call
 *  `next` once and return what it returns, or throw. */
export type Middleware = (delivery: Delivery, next: () => Promise<unknown>) => unknown;

const signals = Symbol.for('duobus.signal');

/** What a handler throws to say more than "failed". */
export class HandlerSignal extends Error {
  readonly kind: 'reject' | 'retry';
  readonly afterMs: number | undefined;

  constructor(
    kind: 'reject' | 'retry',
    message: string,
    afterMs: number | undefined,
    cause: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'HandlerSignal';
    this.kind = kind;
    this.afterMs = afterMs;
  }

  static {
    Object.defineProperty(this.prototype, signals, { value: true });
  }

  static is(error: unknown): error is HandlerSignal {
    return (
      typeof error === 'object' &&
      error !== null &&
      (error as { [signals]?: unknown })[signals] === true
    );
  }
}

/** To be thrown by a handler: the document becomes a dead letter at once.
 *  @example throw reject('no such customer') */
export function reject(reason: string, cause?: unknown): HandlerSignal {
  return new HandlerSignal('reject', reason, undefined, cause);
}

/** To be thrown by a handler: a failed attempt whose repetition comes after `ms` (data bus: at most 15 min).
 *  @example throw retryAfter(30_000) */
export function retryAfter(ms: number, cause?: unknown): HandlerSignal {
  if (!Number.isFinite(ms) || ms < 0)
    throw new TypeError(`retryAfter: ms must be 0 or more, got ${String(ms)}`);
  return new HandlerSignal(
    'retry',
    cause instanceof Error ? cause.message : 'retry later',
    ms,
    cause,
  );
}
