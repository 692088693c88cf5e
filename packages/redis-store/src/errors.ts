import { BusError } from '@duobus/core/driver';

/** What an error of the client, or a refusal of the server, means. */
export function storeError(cause: unknown): BusError {
  if (BusError.is(cause)) return cause;
  const said = cause instanceof Error ? cause.message || cause.name : String(cause);
  const word = /^[A-Z]{3,}/.exec(said)?.[0] ?? '';
  const refused = (cause as Error | undefined)?.name === 'ReplyError';
  if (['NOPERM', 'NOAUTH', 'WRONGPASS'].includes(word))
    return new BusError(
      'DUOBUS_PERMISSION',
      `redisStore: the user may not run it: allow evalsha, eval, info, get, set and del on the keys of the prefix: ${said}`,
      { cause },
    );
  if (word === 'OOM')
    return new BusError(
      'DUOBUS_UNAVAILABLE',
      `redisStore: the server is full: raise its maxmemory, or lower keepsForMs: ${said}`,
      { cause, retryable: true },
    );
  if (refused && !passing.has(word))
    return new BusError('DUOBUS_REJECTED', `redisStore: the server has refused it: ${said}`, {
      cause,
    });
  return new BusError('DUOBUS_UNAVAILABLE', `redisStore: the server cannot be reached: ${said}`, {
    cause,
    retryable: true,
  });
}

/** Refusals that are over when the server has started, failed over or come to an end with a script. */
const passing: ReadonlySet<string> = new Set([
  'LOADING',
  'BUSY',
  'READONLY',
  'MASTERDOWN',
  'CLUSTERDOWN',
  'TRYAGAIN',
  'NOREPLICAS',
  'MOVED',
  'ASK',
  'MISCONF',
  'UNKILLABLE',
]);
