import { BusError } from '@duobus/core/driver';
import { Redis } from 'ioredis';
import type { Client } from './client.ts';
import { classify } from './native-errors.ts';
import type { Settings } from './options.ts';

/** Resolves when enough replicas have everything that was written on this connection, to the server that has the key.
 *  @throws BusError DUOBUS_UNAVAILABLE when they do not in time: it is stored, but may be lost with the server */
export async function awaitReplicas(
  client: Client,
  key: string,
  { waitReplicas, waitTimeoutMs }: Pick<Settings, 'waitReplicas' | 'waitTimeoutMs'>,
): Promise<void> {
  const tried = `wait for ${waitReplicas} replicas`;
  let reached: number;
  try {
    reached = await reachedBy(client, key, waitReplicas, waitTimeoutMs);
  } catch (cause) {
    // even where the server has refused to wait: the document is stored
    throw new BusError('DUOBUS_UNAVAILABLE', classify(cause, tried).message, {
      cause: new Error('not known', { cause }),
      retryable: true,
    });
  }
  if (reached >= waitReplicas) return;
  const cause = new Error(`${reached} replicas have it`);
  throw new BusError(
    'DUOBUS_UNAVAILABLE',
    `Redis: cannot ${tried}: ${reached} have it after ${waitTimeoutMs} ms; it is tried again`,
    { cause, retryable: true },
  );
}

async function reachedBy(
  client: Client,
  key: string,
  replicas: number,
  timeoutMs: number,
): Promise<number> {
  if (client instanceof Redis) return await client.wait(replicas, timeoutMs);
  // a cluster's client sends what has no key anywhere, but a pipeline to where its first key is
  const results = await client.pipeline().exists(key).wait(replicas, timeoutMs).exec();
  const [error, reached] = results?.[1] ?? [new Error('no reply')];
  if (error !== null) throw error;
  return reached as number;
}
