import type { Delivery, Handler } from './delivery.ts';
import { checkOptions } from './internal/check-options.ts';
import { checkInteger } from './internal/check-values.ts';
import { once } from './once.ts';

/** `new`: go on, the key is now running. `running`: another run of it has not ended. `done`: do not run. */
export type BeginResult = 'new' | 'running' | 'done';

/**
 * Where `idempotent` and `delivery.once` keep what has been done. A store that cannot be reached must reject with
 * DUOBUS_UNAVAILABLE, which is waited for as long as no effect has begun.
 *
 * `owner` names a run: another of the same key, even in the same process, has another. Without one, runs are not told
 * apart.
 */
export interface IdempotenceStore<Tx = unknown> {
  /** How long a mark is kept, in ms; `null` is for ever. Must not be below the topic's retention. */
  readonly keepsForMs: number | null;
  /** Marks the key as running for at most `leaseMs`, unless it is running or done. One of several callers gets `new`;
   *  so does the owner when it asks again, as the first answer may have been lost. */
  begin(key: string, leaseMs: number, owner?: string): Promise<BeginResult>;
  /** Marks a running key as done, for good. Must reject with DUOBUS_CONFLICT, and change nothing, when the lease has ended
   *  and another run holds the key. */
  done(key: string, owner?: string): Promise<void>;
  /** Takes the owner's running mark away: the next `begin` gets `new`. Leaves the mark of another, and one that is done. */
  fail(key: string, owner?: string): Promise<void>;
  /** Transactional stores: runs `effect` and marks the key in one transaction. Used instead of the three above. What
   *  `effect` throws undoes both, and must be thrown as it is. `running` and `done`: the effect has not been run. Where it
   *  has to wait before the effect begins, it stops when the signal is aborted. */
  transaction?<T>(
    key: string,
    effect: (tx: Tx) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<{ readonly result: BeginResult; readonly value?: T }>;
}

export interface IdempotentOptions<Tx = unknown> {
  /** Where it keeps what has been done. */
  readonly store: IdempotenceStore<Tx>;
  /** Names the effect, e.g. 'read-model-v2'. A mended handler takes a new scope, so that a replay runs it again; an
   *  effect that must never be repeated keeps its scope. */
  readonly scope: string;
  /** How long a run may take before another may take its place, in ms: at least `handlerTimeoutMs`, and how long the
   *  document waits when the process dies in mid-handler. Default 300,000. */
  readonly leaseMs?: number;
}

/** A handler that also gets the transaction of a transactional store, else `undefined`. */
export type TransactionalHandler<Out, Tx> = (document: Out, delivery: Delivery, tx: Tx) => unknown;

const mark = Symbol.for('duobus.store');

/**
 * Runs a handler once for each document, though the document comes again. A repetition of one that is still running
 * waits for it. A store with transactions gives exactly one effect; with any other the effect is repeated only if the
 * process dies, or the store fails, between effect and mark.
 * @example await bus.data.subscribe(Orders, 'mail', idempotent(sendMail, { store, scope: 'confirmation' }))
 */
export function idempotent<Out = unknown, Tx = unknown>(
  handler: TransactionalHandler<Out, Tx>,
  options: IdempotentOptions<Tx>,
): Handler<Out> {
  checkOptions('idempotent', options, ['store', 'scope', 'leaseMs']);
  const { store, scope, leaseMs = 300_000 } = options;
  if (typeof handler !== 'function')
    throw new TypeError(`idempotent: handler must be a function, got ${typeof handler}`);
  checkStore(store);
  checkScope('idempotent', scope);
  checkInteger('idempotent', 'leaseMs', leaseMs, 1, Number.MAX_SAFE_INTEGER);
  const guarded: Handler<Out> = async (document, delivery) => {
    const effect = async (tx: Tx): Promise<unknown> => handler(document, delivery, tx);
    return once(store, delivery, scope, leaseMs, effect);
  };
  Object.defineProperty(guarded, mark, { value: store });
  return guarded;
}

/** The store of a handler made with `idempotent`, whichever copy of the package made it. Of handlers by type the one
 *  that forgets first. */
export function storeOf(handler: unknown): IdempotenceStore | undefined {
  if (typeof handler === 'function') return (handler as { [mark]?: IdempotenceStore })[mark];
  if (typeof handler !== 'object' || handler === null) return undefined;
  const stores = Object.values(handler).flatMap((one) =>
    typeof one === 'function' ? (storeOf(one) ?? []) : [],
  );
  return stores.toSorted((a, b) => (a.keepsForMs ?? Infinity) - (b.keepsForMs ?? Infinity))[0];
}

/** @throws TypeError unless it is a store. */
export function checkStore(store: unknown): asserts store is IdempotenceStore {
  const { begin, done, fail, keepsForMs } = (store ?? {}) as Record<string, unknown>;
  const sound =
    typeof begin === 'function' && typeof done === 'function' && typeof fail === 'function';
  if (!sound || !(keepsForMs === null || (typeof keepsForMs === 'number' && keepsForMs > 0))) {
    throw new TypeError(
      'store must be an IdempotenceStore: begin, done, fail and keepsForMs, e.g. memoryStore()',
    );
  }
}

/** @throws TypeError unless it is a non-empty string. */
export function checkScope(call: string, scope: unknown): asserts scope is string {
  if (typeof scope === 'string' && scope !== '') return;
  throw new TypeError(
    `${call}: scope must be a non-empty string that names the effect, e.g. 'read-model-v1'`,
  );
}
