import { HandlerSignal } from './delivery.ts';
import type { Delivery } from './delivery.ts';
import { BusError } from './errors.ts';
import type { BeginResult, IdempotenceStore } from './idempotence.ts';
import { abortable } from './internal/abort.ts';
import { systemClock } from './internal/clock.ts';
import type { Clock } from './internal/clock.ts';
import { deferred } from './internal/deferred.ts';
import { newId } from './internal/new-id.ts';

/** What names a document for one subscription or group. */
export type DeliveryIdentity = Pick<
  Delivery,
  'bus' | 'topic' | 'name' | 'source' | 'id' | 'signal'
>;

/** Time between two looks at a key that is running elsewhere, or at a store that is away, in ms: doubled from the first to the longest. */
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

/** How much of the lease a store that is away is waited for: the attempt has to fail with the store's error, not because
 *  the handler's time is up. */
const patience = 0.8;

/**
 * Runs `effect` unless it has been done for this document, and resolves to what it returns, or to `undefined`. While
 * another run of it has not ended this waits, until the delivery's signal is aborted: it must not resolve first, or the
 * document would be settled though the other run can still fail. A store that is away is waited for as well, as long as
 * the effect has not begun: an outage must not use up the attempts of the documents.
 */
export async function once<T, Tx>(
  store: IdempotenceStore<Tx>,
  delivery: DeliveryIdentity,
  scope: string,
  leaseMs: number,
  effect: (tx: Tx) => T | Promise<T>,
  clock: Clock = systemClock,
): Promise<T | undefined> {
  const run = new Run(store, effectKey(delivery, scope), leaseMs, effect, delivery.signal);
  const giveUp = clock.now() + leaseMs * patience;
  for (let lookMs = firstLookMs; ; lookMs = Math.min(lookMs * 2, longestLookMs)) {
    delivery.signal.throwIfAborted();
    try {
      const { result, value } = await run.attempt();
      if (result !== 'running') return value;
    } catch (error) {
      const away = BusError.is(error, 'DUOBUS_UNAVAILABLE') && !run.begun;
      if (!away || clock.now() >= giveUp) throw error;
    }
    await pause(lookMs, delivery.signal, clock);
  }
}

interface Attempted<T> {
  readonly result: BeginResult;
  readonly value?: T;
}

/** All attempts of one call: one owner, as an answer of the store may have been lost. */
class Run<T, Tx> {
  readonly #store: IdempotenceStore<Tx>;
  readonly #key: string;
  readonly #leaseMs: number;
  readonly #effect: (tx: Tx) => T | Promise<T>;
  readonly #signal: AbortSignal;
  readonly #owner = newId();
  begun = false;

  constructor(
    store: IdempotenceStore<Tx>,
    key: string,
    leaseMs: number,
    effect: (tx: Tx) => T | Promise<T>,
    signal: AbortSignal,
  ) {
    this.#store = store;
    this.#key = key;
    this.#leaseMs = leaseMs;
    this.#effect = effect;
    this.#signal = signal;
  }

  async attempt(): Promise<Attempted<T>> {
    const store = this.#store;
    const key = this.#key;
    if (store.transaction !== undefined)
      return store.transaction(key, (tx) => this.#run(tx), this.#signal);
    const result = await store.begin(key, this.#leaseMs, this.#owner);
    if (result !== 'new') return { result };
    let value: T;
    try {
      value = await this.#run(undefined as Tx);
    } catch (error) {
      throw await failed(store, key, this.#owner, error);
    }
    await store.done(key, this.#owner);
    return { result, value };
  }

  async #run(tx: Tx): Promise<T> {
    this.begun = true;
    return this.#effect(tx);
  }
}

/** Takes the mark away, and is what to throw: the effect's error, which must stay a signal if it is one. */
async function failed(
  store: Pick<IdempotenceStore, 'fail'>,
  key: string,
  owner: string,
  error: unknown,
): Promise<unknown> {
  try {
    await store.fail(key, owner);
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
