import { BusError } from '@duobus/core/driver';
import { Redis } from 'ioredis';
import type { Client } from './client.ts';
import { classify } from './native-errors.ts';
import type { Settings } from './options.ts';

type Wanted = Pick<Settings, 'waitReplicas' | 'waitAof' | 'waitTimeoutMs'>;

/** Whether anything but the server's own reply is waited for. */
export function waitsForMore({ waitReplicas, waitAof }: Omit<Wanted, 'waitTimeoutMs'>): boolean {
  return waitReplicas > 0 || waitAof;
}

/** Resolves when everything that was written on this connection, to the server that has the key, is where it is wanted:
 *  in so many replicas, or on so many disks and the server's own.
 *  @throws BusError DUOBUS_UNAVAILABLE when it is not in time: it is stored, but may be lost with the server */
export async function awaitKept(client: Client, key: string, wanted: Wanted): Promise<void> {
  const { waitReplicas, waitTimeoutMs } = wanted;
  const tried = wanted.waitAof
    ? `wait for the disks of the server and ${waitReplicas} replicas`
    : `wait for ${waitReplicas} replicas`;
  let reached: Reached;
  try {
    reached = await reachedBy(client, key, wanted);
  } catch (cause) {
    // even where the server has refused to wait: the document is stored
    throw new BusError('DUOBUS_UNAVAILABLE', classify(cause, tried).message, {
      cause: new Error('not known', { cause }),
      retryable: true,
    });
  }
  const { replicas, disk } = reached;
  if (replicas >= waitReplicas && disk) return;
  const state = `${replicas} have it${disk ? '' : ', and the server has not written it down,'}`;
  throw new BusError(
    'DUOBUS_UNAVAILABLE',
    `Redis: cannot ${tried}: ${state} after ${waitTimeoutMs} ms; it is tried again`,
    { cause: new Error(state), retryable: true },
  );
}

interface Reached {
  readonly replicas: number;
  /** On the disk of the server itself, as far as that is wanted. */
  readonly disk: boolean;
}

async function reachedBy(
  client: Client,
  key: string,
  { waitReplicas, waitAof, waitTimeoutMs }: Wanted,
): Promise<Reached> {
  if (!waitAof)
    return {
      replicas: (await ask(client, key, 'wait', waitReplicas, waitTimeoutMs)) as number,
      disk: true,
    };
  const reply = await ask(client, key, 'waitaof', 1, waitReplicas, waitTimeoutMs);
  const [disks, replicas] = reply as readonly [number, number];
  return { replicas, disk: disks > 0 };
}

async function ask(
  client: Client,
  key: string,
  ...command: [string, ...number[]]
): Promise<unknown> {
  if (client instanceof Redis) return client.call(...command);
  // a cluster's client sends what has no key anywhere, but a pipeline to where its first key is
  const results = await client
    .pipeline()
    .exists(key)
    .call(...command)
    .exec();
  const [error, reply] = results?.[1] ?? [new Error('no reply')];
  if (error !== null) throw error;
  return reply;
}
