import { createHash } from 'node:crypto';
import type { BeginResult, IdempotenceStore } from '@duobus/core';
import { BusError } from '@duobus/core/driver';
import { mastersOf, type RedisClient } from './client.ts';
import { storeError } from './errors.ts';
import { type RedisStoreOptions, type Settings, settingsOf } from './options.ts';
import { begin, done, fail, type Script } from './scripts.ts';

/**
 * Marks in Redis, for effects that cannot be committed together with them. An effect is repeated only if the process dies
 * between effect and mark, or Redis loses what it has confirmed. The client is yours: an ioredis 5 or 6.
 * @example await connect(url, { source: '/shop', store: redisStore(new Redis(redisUrl)) })
 */
export function redisStore(
  client: RedisClient,
  options: RedisStoreOptions = {},
): IdempotenceStore<undefined> {
  const { evalsha, eval: evaluate, info } = (client ?? {}) as Partial<RedisClient>;
  if ([evalsha, evaluate, info].some((method) => typeof method !== 'function'))
    throw new TypeError('redisStore: pass an instance of ioredis, e.g. new Redis(url)');
  return new RedisStore(client, settingsOf(options));
}

class RedisStore implements IdempotenceStore<undefined> {
  readonly keepsForMs: number | null;
  readonly #client: RedisClient;
  readonly #settings: Settings;
  #checked: Promise<void> | undefined;

  constructor(client: RedisClient, settings: Settings) {
    this.keepsForMs = settings.keepsForMs;
    this.#client = client;
    this.#settings = settings;
  }

  async begin(key: string, leaseMs: number, owner = ''): Promise<BeginResult> {
    return (await this.#run(begin, key, owner, leaseMs)) as BeginResult;
  }

  async done(key: string, owner = ''): Promise<void> {
    if ((await this.#run(done, key, owner, this.keepsForMs ?? '')) !== 'lost') return;
    throw new BusError(
      'DUOBUS_CONFLICT',
      'redisStore: the lease of this run has ended and another has taken its place, which may repeat the effect: raise leaseMs above the longest run',
      { retryable: true },
    );
  }

  async fail(key: string, owner = ''): Promise<void> {
    await this.#run(fail, key, owner);
  }

  async #run(script: Script, key: string, ...args: (string | number)[]): Promise<unknown> {
    await (this.#checked ??= this.#check().catch((error: unknown) => {
      this.#checked = undefined;
      throw error;
    }));
    const name = this.#settings.prefix + hashOf(key);
    return this.#answer(async () => {
      try {
        return await this.#client.evalsha(script.sha, 1, name, ...args);
      } catch (error) {
        if (!String((error as Error | undefined)?.message).startsWith('NOSCRIPT')) throw error;
        return await this.#client.eval(script.text, 1, name, ...args);
      }
    });
  }

  /** Marks that the server drops when its memory is full would let an effect happen again. */
  async #check(): Promise<void> {
    // a cluster knows its nodes when it is connected, which this waits for
    await this.#answer(() => this.#client.info('memory'));
    for (const master of mastersOf(this.#client)) {
      const facts = await this.#answer(() => master.info('memory'));
      const policy = /^maxmemory_policy:(\S+)/m.exec(facts)?.[1];
      if (policy === 'noeviction') continue;
      throw new BusError(
        'DUOBUS_REJECTED',
        `redisStore: the server drops marks when its memory is full (maxmemory-policy ${policy ?? 'unknown'}), which would repeat effects: set maxmemory-policy noeviction, or use another server`,
        { context: { policy } },
      );
    }
  }

  /** The client of a server that is away waits for it, by default for as long as that takes. */
  async #answer<T>(ask: () => Promise<T>): Promise<T> {
    const { timeoutMs } = this.#settings;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(
        () =>
          reject(
            new BusError(
              'DUOBUS_UNAVAILABLE',
              `redisStore: no answer of the server within ${timeoutMs} ms (timeoutMs)`,
              { retryable: true, context: { timeoutMs } },
            ),
          ),
        timeoutMs,
      );
    });
    try {
      return await Promise.race([ask(), late]);
    } catch (error) {
      throw storeError(error);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** UTF-16, in which every string differs from every other, also one that is not well-formed. */
function hashOf(key: string): string {
  return createHash('sha256').update(key, 'utf16le').digest('base64url');
}
