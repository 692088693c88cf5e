import { HandlerSignal } from './delivery.ts';
import type { Delivery } from './delivery.ts';
import type { IdempotenceStore } from './idempotence.ts';
import { abortable } from './internal/abort.ts';
import { systemClock } from './internal/clock.ts';
import type { Clock } from './internal/clock.ts';
import { deferred } from './internal/deferred.ts';

/** What names a document for one subscription or group. */
export type DeliveryIdentity = Pick<
  Delivery,
  'bus' | 'topic' | 'name' | 'source' | 'id' | 'signal'
>;

/** Time between two looks at a key that is running elsewhere, in ms: doubled from the first to the longest. */
const firstLookMs = 20;
const longestLookMs = 1000;

/** The key of an effect in a store: no two effects on documents have the same. */
export function effectKey(delivery: Omit<DeliveryIdentity, 'signal'>, scope: string): string {
  return JSON.stringify([
    delivery.bus,
    delivery.topic,
    delivery.name,
    scope,
    delivery.source,
    delivery.id,
  ]);
}

/**
 * Runs `effect` unless it has been done for this document, and resolves to what it returns, or to `undefined`. While
 * another run of it has not ended this waits, until the delivery's signal is aborted: it must not resolve first, or the
 * document would be settled though the other run can still fail.
 */
export async function once<T, Tx>(
  store: IdempotenceStore<Tx>,
  delivery: DeliveryIdentity,
  scope: string,
  leaseMs: number,
  effect: (tx: Tx) => T | Promise<T>,
  clock: Clock = systemClock,
): Promise<T | undefined> {
  const key = effectKey(delivery, scope);
  for (let lookMs = firstLookMs; ; lookMs = Math.min(lookMs * 2, longestLookMs)) {
    delivery.signal.throwIfAborted();
    const { result, value } = await attempt(store, key, leaseMs, effect);
    if (result !== 'running') return value;
    await pause(lookMs, delivery.signal, clock);
  }
}

async function attempt<T, Tx>(
  store: IdempotenceStore<Tx>,
  key: string,
  leaseMs: number,
  effect: (tx: Tx) => T | Promise<T>,
): Promise<{ readonly result: 'new' | 'running' | 'done'; readonly value?: T }> {
  if (store.transaction !== undefined) return store.transaction(key, async (tx) => effect(tx));
  const result = await store.begin(key, leaseMs);
  if (result !== 'new') return { result };
  let value: T;
  try {
    value = await effect(undefined as Tx);
  } catch (error) {
    throw await failed(store, key, error);
  }
  await store.done(key);
  return { result, value };
}

/** Takes the mark away, and is what to throw: the effect's error, which must stay a signal if it is one. */
async function failed(
  store: Pick<IdempotenceStore, 'fail'>,
  key: string,
  error: unknown,
): Promise<unknown> {
  try {
    await store.fail(key);
    return error;
  } catch (storeError) {
    const both = new AggregateError(
      [error, storeError],
      'the effect failed, and so did the store when it was told',
    );
    return HandlerSignal.is(error)
      ? new HandlerSignal(error.kind, error.message, error.afterMs, both)
      : both;
  }
}

async function pause(ms: number, signal: AbortSignal, clock: Clock): Promise<void> {
  const { promise, resolve } = deferred();
  const cancel = clock.after(ms, () => resolve());
  await abortable(promise, signal).finally(cancel);
}
