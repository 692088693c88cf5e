import { createHash } from 'node:crypto';
import type { Condition, Doorbell, ListedObject, Listing, StoredObject } from '../../src/index.ts';

/** What an object store keeps: compared and set exactly, listed in order, seen by all at once. */
export class MemoryObjects {
  /** Ms since 1970, by the store's clock. */
  now: () => number;
  /** Times are rounded down to that. */
  readonly roundMs: number;
  /** Called before every write and removal that is carried out. */
  onWrite: (key: string, body: Uint8Array | undefined) => void = () => undefined;
  readonly #objects = new Map<string, StoredObject>();
  #keys: string[] | undefined = [];

  constructor(now: () => number = Date.now, roundMs = 1_000) {
    this.now = now;
    this.roundMs = roundMs;
  }

  get keys(): readonly string[] {
    this.#keys ??= [...this.#objects.keys()].toSorted();
    return this.#keys;
  }

  get(key: string): StoredObject | undefined {
    return this.#objects.get(key);
  }

  put(
    key: string,
    body: Uint8Array,
    condition?: Condition,
  ): { readonly etag: string } | 'conflict' {
    const found = this.#objects.get(key);
    if (
      condition !== undefined &&
      found?.etag !== ('etag' in condition ? condition.etag : undefined)
    )
      return 'conflict';
    this.onWrite(key, body);
    const etag = createHash('sha1').update(body).digest('hex');
    const at = Math.floor(this.now() / this.roundMs) * this.roundMs;
    this.#objects.set(key, { body: new Uint8Array(body), etag, at });
    if (found === undefined) this.#keys = undefined;
    return { etag };
  }

  remove(key: string, condition?: { readonly etag: string }): 'removed' | 'conflict' {
    if (condition !== undefined && this.#objects.get(key)?.etag !== condition.etag)
      return 'conflict';
    this.onWrite(key, undefined);
    if (this.#objects.delete(key)) this.#keys = undefined;
    return 'removed';
  }

  list(prefix: string, after: string | undefined, limit = 1_000): Listing {
    const from = after === undefined || after < prefix ? prefix : after;
    const { keys } = this;
    const objects: ListedObject[] = [];
    for (let at = firstNotBelow(keys, from); at < keys.length; at += 1) {
      const key = keys[at] as string;
      if (!key.startsWith(prefix)) break;
      if (key === after) continue;
      if (objects.length === limit) return { objects, more: true };
      const { etag, at: time, body } = this.#objects.get(key) as StoredObject;
      objects.push({ key, etag, at: time, size: body.length });
    }
    return { objects, more: false };
  }
}

function firstNotBelow(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((keys[middle] as string) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Bells between those who share it. */
export class MemoryBells {
  /** Share of the rings that nobody hears. */
  deaf = 0;
  readonly #listeners = new Map<string, Set<(message: string) => void>>();

  get doorbell(): Doorbell {
    return {
      ring: (channel, message) => {
        if (Math.random() < this.deaf) return;
        setImmediate(() => this.#tell(channel, message));
      },
      listen: (channel, onRing) => {
        const listeners = this.#listeners.get(channel) ?? new Set();
        this.#listeners.set(channel, listeners.add(onRing));
        let over = false;
        setImmediate(() => (over ? undefined : onRing('')));
        return () => {
          over = true;
          listeners.delete(onRing);
        };
      },
    };
  }

  #tell(channel: string, message: string): void {
    for (const onRing of this.#listeners.get(channel) ?? []) onRing(message);
  }
}
