import { BusError } from '@duobus/core/driver';
import type { ObjectStore, StoredObject } from './object-store.ts';
import type { PartitionPaths } from './paths.ts';

/*
 * Where a log begins is an object of its own, written before anything is deleted, and only ever with a later offset.
 */

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** @throws BusError DUOBUS_DECODE for a version this code does not know. */
export function startOf(object: StoredObject | undefined): number {
  if (object === undefined) return 0;
  const { v, first } = parseState(object.body, 'where a log begins') as {
    readonly v: unknown;
    readonly first: number;
  };
  if (v === 1) return first;
  throw unknownVersion('where a log begins', v);
}

/** Lets the log begin at `first`, or later if it does already. */
export async function advanceStart(
  { store, paths }: { readonly store: ObjectStore; readonly paths: PartitionPaths },
  first: number,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    const stored = await store.get(paths.start, signal);
    if (startOf(stored) >= first) return;
    const body = encodeState({ v: 1, first });
    const condition = stored === undefined ? ({ absent: true } as const) : { etag: stored.etag };
    if ((await store.put(paths.start, body, condition, signal)) !== 'conflict') return;
  }
}

export function encodeState(state: object): Uint8Array {
  return encoder.encode(JSON.stringify(state));
}

export function parseState(body: Uint8Array, what: string): { readonly v?: unknown } {
  try {
    return (JSON.parse(decoder.decode(body)) ?? {}) as { readonly v?: unknown };
  } catch (cause) {
    throw new BusError(
      'DUOBUS_DECODE',
      `the object that says ${what} is not JSON: was it written by something else than duobus?`,
      { cause },
    );
  }
}

export function unknownVersion(what: string, v: unknown): BusError {
  return new BusError(
    'DUOBUS_DECODE',
    `the object that says ${what} has version ${String(v)}, this version of duobus reads 1: upgrade this process`,
  );
}
