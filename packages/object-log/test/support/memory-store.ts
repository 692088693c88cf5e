import { setImmediate as soon, setTimeout as sleep } from 'node:timers/promises';
import { BusError } from '@duobus/core/driver';
import type { Condition, Listing, ObjectStore, StoredObject } from '../../src/index.ts';
import type { MemoryObjects } from './memory-objects.ts';

/** What goes wrong on the way to the store; shares are from 0 to 1. */
export interface Weather {
  /** Every request takes at least so long, and up to twice as long. */
  latencyMs: number;
  /** The request is refused before it is carried out. */
  refused: number;
  /** It is carried out, and the reply is lost. */
  silent: number;
  /** A write: its sender is told that there was no reply, and it is carried out later, up to so many ms. */
  late: number;
  lateMs: number;
}

export const calm: Weather = { latencyMs: 0, refused: 0, silent: 0, late: 0, lateMs: 50 };

export interface Requests {
  get: number;
  put: number;
  list: number;
  remove: number;
  conflicts: number;
}

/** The way of one process to the objects. */
export class MemoryStore implements ObjectStore {
  readonly requests: Requests = { get: 0, put: 0, list: 0, remove: 0, conflicts: 0 };
  weather: Weather = { ...calm };
  /** Which keys something goes wrong with. */
  isFaulty: (key: string) => boolean = () => true;
  /** The keys of all requests that read, in order. */
  readonly asked: string[] = [];
  readonly #objects: MemoryObjects;
  readonly #random: () => number;
  readonly #late = new Set<Promise<unknown>>();

  constructor(objects: MemoryObjects, random: () => number = Math.random) {
    this.#objects = objects;
    this.#random = random;
  }

  /** In the price of a get, as on S3: a list and a put cost 12.5 times as much, a removal nothing. */
  get cost(): number {
    const { get, put, list } = this.requests;
    return get + 12.5 * (put + list);
  }

  reset(): void {
    Object.assign(this.requests, { get: 0, put: 0, list: 0, remove: 0, conflicts: 0 });
    this.asked.length = 0;
  }

  /** Resolves when nothing is on its way any more. */
  async settled(): Promise<void> {
    while (this.#late.size > 0) await Promise.all(this.#late);
  }

  get(key: string, signal: AbortSignal, bytes?: number): Promise<StoredObject | undefined> {
    this.requests.get += 1;
    this.asked.push(key);
    return this.#call(key, signal, () => {
      const found = this.#objects.get(key);
      return found && { ...found, body: found.body.slice(0, bytes) };
    });
  }

  put(
    key: string,
    body: Uint8Array,
    condition: Condition | undefined,
    signal: AbortSignal,
  ): Promise<{ readonly etag: string } | 'conflict'> {
    this.requests.put += 1;
    const copy = new Uint8Array(body);
    return this.#write(key, signal, () => {
      const result = this.#objects.put(key, copy, condition);
      if (result === 'conflict') this.requests.conflicts += 1;
      return result;
    });
  }

  remove(
    key: string,
    condition: { readonly etag: string } | undefined,
    signal: AbortSignal,
  ): Promise<'removed' | 'conflict'> {
    this.requests.remove += 1;
    return this.#write(key, signal, () => this.#objects.remove(key, condition));
  }

  list(
    prefix: string,
    options: { readonly after?: string; readonly limit?: number },
    signal: AbortSignal,
  ): Promise<Listing> {
    this.requests.list += 1;
    return this.#call(prefix, signal, () =>
      this.#objects.list(prefix, options.after, options.limit),
    );
  }

  async #write<T>(key: string, signal: AbortSignal, run: () => T): Promise<T> {
    const { late, lateMs } = this.weather;
    if (!this.isFaulty(key) || this.#random() >= late)
      return this.#call(key, signal, run, 'unknown');
    const carriedOut = sleep((lateMs / 2) * (1 + this.#random())).then(run);
    this.#late.add(carriedOut);
    void carriedOut.finally(() => this.#late.delete(carriedOut));
    await this.#pause(signal);
    throw unavailable('there was no reply', 'unknown');
  }

  async #call<T>(key: string, signal: AbortSignal, run: () => T, lost?: 'unknown'): Promise<T> {
    signal.throwIfAborted();
    await this.#pause(signal);
    const isFaulty = this.isFaulty(key);
    if (isFaulty && this.#random() < this.weather.refused)
      throw unavailable('the store was busy', 'rejected');
    const result = run();
    await this.#pause(signal);
    if (isFaulty && this.#random() < this.weather.silent)
      throw unavailable('the reply was lost', lost);
    return result;
  }

  async #pause(signal: AbortSignal): Promise<void> {
    const { latencyMs } = this.weather;
    if (latencyMs === 0) await soon();
    else
      await sleep((latencyMs / 2) * (1 + this.#random()), undefined, { signal }).catch(() =>
        signal.throwIfAborted(),
      );
  }
}

function unavailable(message: string, outcome: 'rejected' | 'unknown' | undefined): BusError {
  return new BusError('DUOBUS_UNAVAILABLE', message, {
    retryable: true,
    ...(outcome === undefined ? {} : { outcome }),
  });
}
