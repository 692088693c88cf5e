import { OptionReader } from '@duobus/core/driver';

export interface RedisStoreOptions {
  /** What the names of the keys begin with: at most 100 characters. Default `duobus:once:`. */
  readonly prefix?: string;
  /** How long a mark is kept, in ms; `null` is for ever. Must not be below the retention of the topics. Default
   *  604,800,000 (7 days), which is how long a topic keeps its documents by default. */
  readonly keepsForMs?: number | null;
  /** How long to wait for an answer of the server, in ms; then DUOBUS_UNAVAILABLE. Default 5,000. */
  readonly timeoutMs?: number;
}

export interface Settings {
  readonly prefix: string;
  readonly keepsForMs: number | null;
  readonly timeoutMs: number;
}

const known = ['prefix', 'keepsForMs', 'timeoutMs'] as const;

/** @throws TypeError that says which option is wrong and what it takes. */
export function settingsOf(given: RedisStoreOptions | undefined): Settings {
  const read = new OptionReader('redisStore', given, known);
  const prefix = read.text('prefix', 'duobus:once:');
  if (!/^[\x21-\x7e]{1,100}$/.test(prefix))
    throw read.wrong('prefix must be 1 to 100 printable characters of ASCII without spaces');
  const keepsForMs =
    read.value('keepsForMs') === null
      ? null
      : read.integer('keepsForMs', 604_800_000, 1, Number.MAX_SAFE_INTEGER);
  return { prefix, keepsForMs, timeoutMs: read.integer('timeoutMs', 5_000, 1) };
}
