import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { BusError, type IdempotenceStore } from '@duobus/core';

export const leaseMs = 30_000;

/**
 * Does an effect unless it has been done, as `idempotent` does: waits while another run has not ended, and while the store
 * cannot be reached, and resolves when the document could be settled.
 */
export async function settle(
  store: IdempotenceStore,
  key: string,
  effect: (tx: unknown) => void | Promise<void>,
  limitMs: number,
): Promise<'new' | 'done'> {
  const over = performance.now() + limitMs;
  const owner = randomUUID();
  for (let pauseMs = 2; ; pauseMs = Math.min(pauseMs * 2, 100)) {
    let begun = false;
    const run = async (tx: unknown): Promise<void> => {
      begun = true;
      await effect(tx);
    };
    try {
      const result = await attempt(store, key, owner, run);
      if (result !== 'running') return result;
    } catch (error) {
      if (begun || !BusError.is(error, 'DUOBUS_UNAVAILABLE')) throw error;
    }
    if (performance.now() > over)
      throw new Error(`'${key.slice(0, 80)}' has not been settled within ${limitMs} ms`);
    await sleep(pauseMs);
  }
}

async function attempt(
  store: IdempotenceStore,
  key: string,
  owner: string,
  run: (tx: unknown) => Promise<void>,
): Promise<'new' | 'running' | 'done'> {
  if (store.transaction !== undefined) return (await store.transaction(key, run)).result;
  const result = await store.begin(key, leaseMs, owner);
  if (result !== 'new') return result;
  try {
    await run(undefined);
  } catch (error) {
    await store.fail(key, owner);
    throw error;
  }
  await store.done(key, owner);
  return 'new';
}
