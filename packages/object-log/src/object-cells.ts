import { randomBytes } from 'node:crypto';
import {
  inParallel,
  type Cell,
  type CellResult,
  type Cells,
  type CellWrite,
} from '@duobus/core/driver';
import type { ListedObject, ObjectStore, StoredObject } from './object-store.ts';
import { encodeState, parseState, unknownVersion } from './partition-start.ts';

/*
 * A cell is an object, its version the object's tag. Tags are of the bytes, so a cell has something at random in it: no tag
 * comes twice, not even after all were removed, and a member of a former life finds no version it knows.
 */

export interface ObjectCellsOptions {
  readonly store: ObjectStore;
  /** What the keys of their objects begin with; ends with '/'. */
  readonly prefix: string;
  /** Tells others that something has changed. */
  ring(): void;
  /** As Cells.watch. */
  watch(changed: () => void): () => void;
  /** What the cells are of, for messages. Default: a group. */
  readonly what?: string;
}

interface Seen {
  readonly etag: string;
  readonly value: string;
}

const atOnce = 8;
/** What changes while it is read is read again. */
const mostLooks = 3;

/** Cells that are objects: what is seen unchanged in a listing is not read again. */
export class ObjectCells implements Cells {
  readonly #options: ObjectCellsOptions;
  /** By the rest of the key: what the objects held when they had that tag. */
  readonly #seen = new Map<string, Seen>();

  constructor(options: ObjectCellsOptions) {
    this.#options = options;
  }

  async get(keys: readonly string[], signal: AbortSignal): Promise<readonly Cell[]> {
    const cells = await inParallel(keys, atOnce, (key) => this.#get(key, signal));
    return cells.flatMap((cell) => cell ?? []);
  }

  /** As of one moment if possible: what was changed while it was read is listed again. */
  async list(signal: AbortSignal): Promise<readonly Cell[]> {
    const { store, prefix } = this.#options;
    for (let looks = 1; ; looks += 1) {
      const objects = await listAll(store, prefix, signal);
      const cells = await inParallel(objects, atOnce, (object) => this.load(object, signal));
      this.#forgetOthers(objects);
      const changed = cells.some((cell, at) => cell?.version !== objects[at]?.etag);
      if (!changed || looks >= mostLooks) return cells.flatMap((cell) => cell ?? []);
    }
  }

  async put(
    writes: readonly CellWrite[],
    news: boolean,
    signal: AbortSignal,
  ): Promise<readonly CellResult[]> {
    const results = await inParallel(writes, atOnce, (write) => this.#put(write, signal));
    if (news) this.#options.ring();
    return results;
  }

  watch(changed: () => void): () => void {
    return this.#options.watch(changed);
  }

  /** What an object holds that had this tag a moment ago. */
  async load({ key: full, etag }: ListedObject, signal: AbortSignal): Promise<Cell | undefined> {
    const key = full.slice(this.#options.prefix.length);
    const seen = this.#seen.get(key);
    if (seen?.etag === etag) return { key, value: seen.value, version: etag };
    return this.#get(key, signal);
  }

  async #get(key: string, signal: AbortSignal): Promise<Cell | undefined> {
    const { store, prefix } = this.#options;
    const found = await store.get(prefix + key, signal);
    if (found === undefined) return undefined;
    const value = this.#valueOf(found);
    this.#seen.set(key, { etag: found.etag, value });
    return { key, value, version: found.etag };
  }

  async #put({ key, value, ifVersion }: CellWrite, signal: AbortSignal): Promise<CellResult> {
    const { store, prefix } = this.#options;
    if (value === undefined) {
      if (ifVersion === undefined)
        return (await store.get(prefix + key, signal)) === undefined
          ? { status: 'written', version: undefined }
          : { status: 'conflict' };
      const removed = await store.remove(prefix + key, { etag: ifVersion }, signal);
      return removed === 'conflict'
        ? { status: 'conflict' }
        : { status: 'written', version: undefined };
    }
    const body = encodeState({ v: 1, n: randomBytes(9).toString('base64url'), value });
    const condition = ifVersion === undefined ? ({ absent: true } as const) : { etag: ifVersion };
    const put = await store.put(prefix + key, body, condition, signal);
    if (put === 'conflict') return { status: 'conflict' };
    this.#seen.set(key, { etag: put.etag, value });
    return { status: 'written', version: put.etag };
  }

  #forgetOthers(objects: readonly ListedObject[]): void {
    if (this.#seen.size <= objects.length) return;
    const { prefix } = this.#options;
    const there = new Set(objects.map(({ key }) => key.slice(prefix.length)));
    for (const key of this.#seen.keys()) if (!there.has(key)) this.#seen.delete(key);
  }

  /** @throws BusError DUOBUS_DECODE for a version this code does not know. */
  #valueOf({ body }: StoredObject): string {
    const what = `the cells of ${this.#options.what ?? 'a group'}`;
    const { v, value } = parseState(body, what) as { readonly v?: unknown; readonly value: string };
    if (v === 1) return value;
    throw unknownVersion(what, v);
  }
}

/** All objects below a prefix. */
export async function listAll(
  store: ObjectStore,
  prefix: string,
  signal: AbortSignal,
): Promise<readonly ListedObject[]> {
  const found: ListedObject[] = [];
  for (let after: string | undefined; ; after = found.at(-1)?.key) {
    const { objects, more } = await store.list(
      prefix,
      after === undefined ? {} : { after },
      signal,
    );
    found.push(...objects);
    if (!more || objects.length === 0) return found;
  }
}
