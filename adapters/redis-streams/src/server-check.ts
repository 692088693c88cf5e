import { BusError } from '@duobus/core/driver';
import type { Redis } from 'ioredis';
import { classify } from './native-errors.ts';
import type { Settings } from './options.ts';

/** Refuses a server that would lose silently what it has been given.
 *  @throws BusError DUOBUS_NOT_SUPPORTED, DUOBUS_PERMISSION, DUOBUS_UNAVAILABLE */
export async function checkServer(
  node: Redis,
  { where, requireAof, waitAof }: Pick<Settings, 'where' | 'requireAof' | 'waitAof'>,
): Promise<void> {
  const facts = await factsOf(node, where);
  if (facts.get('loading') === '1')
    throw new BusError('DUOBUS_UNAVAILABLE', `Redis: ${where} is still loading its data`, {
      retryable: true,
    });
  const version = Number.parseFloat(facts.get('redis_version') ?? '');
  if (version < 7)
    throw refused(where, `is version ${version}`, 'use Redis 7.0 or newer, or Valkey');
  if (waitAof && version < 7.2)
    throw refused(
      where,
      `is version ${version}, which has no WAITAOF for waitAof`,
      'use Redis 7.2 or newer, or Valkey; or appendfsync always',
    );
  const policy = facts.get('maxmemory_policy') ?? '';
  if (policy.startsWith('allkeys-'))
    throw refused(
      where,
      `drops documents when its memory is full (maxmemory-policy ${policy})`,
      'set maxmemory-policy noeviction',
    );
  if (requireAof === false) return;
  if (facts.get('aof_enabled') === '0')
    throw refused(
      where,
      'loses everything when it stops (appendonly no)',
      'set appendonly yes, or say requireAof: false',
    );
  if (requireAof === 'always') await checkFsync(node, where);
}

/** INFO is allowed where CONFIG is not. */
async function factsOf(node: Redis, where: string): Promise<ReadonlyMap<string, string>> {
  try {
    const texts = await Promise.all(
      ['server', 'memory', 'persistence'].map((section) => node.info(section)),
    );
    return new Map(
      texts
        .flatMap((text) => text.split('\r\n'))
        .flatMap((line) => {
          const colon = line.indexOf(':');
          return colon < 0 ? [] : [[line.slice(0, colon), line.slice(colon + 1)] as const];
        }),
    );
  } catch (error) {
    throw classify(error, `look at the settings of ${where}`);
  }
}

async function checkFsync(node: Redis, where: string): Promise<void> {
  let found: unknown;
  try {
    found = await node.config('GET', 'appendfsync');
  } catch (error) {
    throw classify(error, `read appendfsync of ${where}, which requireAof: 'always' asks for`);
  }
  const [, fsync = 'unknown'] = found as readonly string[];
  if (fsync === 'always') return;
  throw refused(
    where,
    `has appendfsync ${fsync}, and requireAof is 'always'`,
    'set appendfsync always',
  );
}

function refused(where: string, what: string, help: string): BusError {
  return new BusError('DUOBUS_NOT_SUPPORTED', `Redis: ${where} ${what}: ${help}`);
}
