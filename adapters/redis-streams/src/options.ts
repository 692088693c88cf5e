import { readFileSync } from 'node:fs';
import type { ConnectionOptions as NodeTlsOptions } from 'node:tls';
import { type Address, formatAddress, parseAddress } from '@duobus/core/driver';

/** What `node:tls` takes to check the server and to show a certificate of one's own. */
export type RedisTls = Pick<NodeTlsOptions, 'ca' | 'cert' | 'key' | 'passphrase'> & {
  /** A file with the PEM of the authorities, for configurations that are plain data. */
  readonly caFile?: string;
  /** The name the server's certificate must carry. Default: the host. */
  readonly servername?: string;
  /** False accepts any certificate: only for tests. Default true. */
  readonly rejectUnauthorized?: boolean;
};

export interface RedisStreamsOptions {
  /** Addresses, `host:port`: one server, some nodes of a cluster, or the sentinels. Default `localhost:6379`. */
  readonly hosts?: readonly string[];
  /** The ACL user. Default: none, which is Redis's own `default`. */
  readonly username?: string;
  /** Default: none. */
  readonly password?: string;
  /** Number of the database; clusters have 0 alone. Default 0. */
  readonly database?: number;
  /** TLS, with `true` for the defaults. Default: as the scheme of the URL says. */
  readonly tls?: boolean | RedisTls;
  /** `hosts` are nodes of a Redis Cluster. Default false. */
  readonly cluster?: boolean;
  /** `hosts` are sentinels, which know the master under this name. Default: none. */
  readonly sentinel?: string;
  /** The user of the sentinels themselves. Default: none. */
  readonly sentinelUsername?: string;
  /** The password of the sentinels themselves. Default: none. */
  readonly sentinelPassword?: string;
  /** What the server's operators see. Default `duobus`. */
  readonly clientName?: string;
  /** Time for one connection attempt in ms. Default 10,000, minimum 100. */
  readonly connectTimeoutMs?: number;
  /** A server that is silent for so long while it is asked something is given up, in ms. Default 10,000, minimum 1,000. */
  readonly silenceMs?: number;
  /** A member that shows no sign of life for so long is dead, in ms. Default 10,000, minimum 1,000. */
  readonly leaseMs?: number;
  /** What the server must write down: `true` an append-only file, `'always'` with `appendfsync always`, `false` nothing.
   *  Default true. */
  readonly requireAof?: boolean | 'always';
  /** Replicas that must have a document before its publish resolves, and a topic or subscription before it counts as made
   *  (`WAIT`). What was handled is not waited for: a failover may repeat it. Default 0. */
  readonly waitReplicas?: number;
  /** True waits until it is on the server's disk, and on those of as many replicas as `waitReplicas` says (`WAITAOF`,
   *  Redis 7.2 and later, Valkey): as safe as `appendfsync always`, and with `everysec` up to a second slower. Default
   *  false. */
  readonly waitAof?: boolean;
  /** How long all this may take, in ms; then the outcome is not known and it is tried again. Default 5,000, minimum 1. */
  readonly waitTimeoutMs?: number;
}

/** Options with every default filled in. */
export interface Settings {
  readonly hosts: readonly Address[];
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly database: number;
  readonly tls: NodeTlsOptions | undefined;
  readonly cluster: boolean;
  readonly sentinel: string | undefined;
  readonly sentinelUsername: string | undefined;
  readonly sentinelPassword: string | undefined;
  readonly clientName: string;
  readonly connectTimeoutMs: number;
  readonly silenceMs: number;
  readonly leaseMs: number;
  readonly requireAof: boolean | 'always';
  readonly waitReplicas: number;
  readonly waitAof: boolean;
  readonly waitTimeoutMs: number;
  /** The server without credentials, for messages. */
  readonly where: string;
}

const known = [
  'hosts',
  'username',
  'password',
  'database',
  'tls',
  'cluster',
  'sentinel',
  'sentinelUsername',
  'sentinelPassword',
  'clientName',
  'connectTimeoutMs',
  'silenceMs',
  'leaseMs',
  'requireAof',
  'waitReplicas',
  'waitAof',
  'waitTimeoutMs',
] as const satisfies readonly (keyof RedisStreamsOptions)[];

/** @throws TypeError that says which option is wrong and what it takes. */
export function settingsOf(options: RedisStreamsOptions): Settings {
  if (typeof options !== 'object' || options === null)
    throw new TypeError("redis: options must be an object, e.g. { hosts: ['localhost:6379'] }");
  for (const name of Object.keys(options)) {
    if (!(known as readonly string[]).includes(name))
      throw new TypeError(`redis: unknown option '${name}'. Known are: ${known.join(', ')}`);
  }
  const cluster = truth('cluster', options.cluster, false);
  const sentinel = textOf('sentinel', options.sentinel);
  const hosts = hostsOf(options.hosts ?? ['localhost'], sentinel === undefined ? 6379 : 26_379);
  const settings: Settings = {
    hosts,
    username: textOf('username', options.username),
    password: textOf('password', options.password),
    database: integer('database', options.database, 0, 0),
    tls: tlsOf(options.tls),
    cluster,
    sentinel,
    sentinelUsername: textOf('sentinelUsername', options.sentinelUsername),
    sentinelPassword: textOf('sentinelPassword', options.sentinelPassword),
    clientName: textOf('clientName', options.clientName) ?? 'duobus',
    connectTimeoutMs: integer('connectTimeoutMs', options.connectTimeoutMs, 10_000, 100),
    silenceMs: integer('silenceMs', options.silenceMs, 10_000, 1_000),
    leaseMs: integer('leaseMs', options.leaseMs, 10_000, 1_000),
    requireAof: aofOf(options.requireAof),
    waitReplicas: integer('waitReplicas', options.waitReplicas, 0, 0),
    waitAof: truth('waitAof', options.waitAof, false),
    waitTimeoutMs: integer('waitTimeoutMs', options.waitTimeoutMs, 5_000, 1),
    where: whereOf(hosts, cluster, sentinel),
  };
  checkTogether(settings);
  return settings;
}

function checkTogether({
  cluster,
  sentinel,
  hosts,
  database,
  clientName,
  requireAof,
  waitAof,
  waitTimeoutMs,
  silenceMs,
}: Settings): void {
  if (waitTimeoutMs >= silenceMs)
    throw new TypeError('redis: waitTimeoutMs must be below silenceMs: waiting is silent');
  if (waitAof && requireAof === false)
    throw new TypeError('redis: waitAof waits for the append-only file: leave requireAof out');
  if (cluster && sentinel !== undefined)
    throw new TypeError('redis: give either cluster or sentinel, not both');
  if (cluster && database !== 0)
    throw new TypeError('redis: a cluster has database 0 alone; leave database out');
  if (!cluster && sentinel === undefined && hosts.length > 1)
    throw new TypeError(
      'redis: several hosts are nodes of a cluster (cluster: true) or sentinels (sentinel: name of the master): say which',
    );
  if (!/^[!-~]+$/.test(clientName))
    throw new TypeError('redis: clientName must be of printable characters without spaces');
}

const form =
  'redis://user:password@host:6379/0, redis://host,host?cluster=true, redis://host,host?sentinel=NAME, or rediss://... for TLS';

/** Options from a URL. The password is never repeated in a message. */
export function optionsOfUrl(url: string): RedisStreamsOptions {
  const match = /^(rediss?):\/\/(?:([^/?#]*)@)?([^/?#@]*)(?:\/(\d*))?(?:\?([^#]*))?$/.exec(url);
  if (match === null) throw new TypeError(`redis: a URL must look like ${form}`);
  const [, scheme, login, hosts = '', database = '', query = ''] = match;
  const { cluster, sentinel } = parametersOf(query);
  return {
    ...(hosts === '' ? {} : { hosts: hosts.split(',').map((host) => host.trim()) }),
    ...(scheme === 'rediss' ? { tls: true } : {}),
    ...(login === undefined ? {} : loginOf(login)),
    ...(database === '' ? {} : { database: Number(database) }),
    ...(cluster === undefined ? {} : { cluster: cluster === 'true' }),
    ...(sentinel === undefined ? {} : { sentinel }),
  };
}

function parametersOf(query: string): {
  readonly cluster: string | undefined;
  readonly sentinel: string | undefined;
} {
  const parameters = new URLSearchParams(query);
  for (const name of parameters.keys()) {
    if (name !== 'cluster' && name !== 'sentinel')
      throw new TypeError(
        `redis: the URL has an unknown parameter '${name}', known are cluster and sentinel; give everything else as options`,
      );
  }
  const cluster = parameters.get('cluster') ?? undefined;
  if (cluster !== undefined && cluster !== 'true' && cluster !== 'false')
    throw new TypeError('redis: the parameter cluster of the URL must be true or false');
  return { cluster, sentinel: parameters.get('sentinel') ?? undefined };
}

function loginOf(login: string): Pick<RedisStreamsOptions, 'username' | 'password'> {
  const colon = login.indexOf(':');
  if (colon < 0)
    throw new TypeError(
      'redis: the URL has a user but no password: write user:password@, or :password@',
    );
  const [username, password] = [login.slice(0, colon), login.slice(colon + 1)].map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      // the cause would repeat the password
      throw new TypeError('redis: user and password in the URL must be percent-encoded');
    }
  }) as [string, string];
  return {
    ...(username === '' ? {} : { username }),
    ...(password === '' ? {} : { password }),
  };
}

function hostsOf(hosts: unknown, standardPort: number): readonly Address[] {
  if (!Array.isArray(hosts) || hosts.length === 0)
    throw new TypeError("redis: hosts must be a list of addresses, e.g. ['localhost:6379']");
  return hosts.map((text: unknown) => {
    const address = parseAddress(text, standardPort);
    if (address !== undefined) return address;
    throw new TypeError('redis: every host must be host:port, e.g. localhost:6379 or [::1]:6379');
  });
}

function whereOf(
  hosts: readonly Address[],
  cluster: boolean,
  sentinel: string | undefined,
): string {
  const list = hosts.map(formatAddress).join(', ');
  if (cluster) return `the Redis Cluster at ${list}`;
  return sentinel === undefined ? `Redis at ${list}` : `'${sentinel}' of the sentinels at ${list}`;
}

function tlsOf(tls: RedisStreamsOptions['tls']): NodeTlsOptions | undefined {
  if (tls === undefined || tls === false) return undefined;
  if (tls === true) return {};
  if (typeof tls !== 'object' || tls === null)
    throw new TypeError('redis: tls must be true or an object such as { ca }');
  const { caFile, ...rest } = tls;
  return caFile === undefined ? rest : { ...rest, ca: readFileSync(caFile) };
}

function aofOf(value: unknown): boolean | 'always' {
  if (value === undefined) return true;
  if (typeof value === 'boolean' || value === 'always') return value;
  throw new TypeError("redis: requireAof must be true, false or 'always'");
}

function textOf(name: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || value === '')
    throw new TypeError(`redis: ${name} must be a string that is not empty`);
  return value;
}

function truth(name: string, value: unknown, standard: boolean): boolean {
  if (value === undefined) return standard;
  if (typeof value !== 'boolean') throw new TypeError(`redis: ${name} must be true or false`);
  return value;
}

function integer(name: string, value: unknown, standard: number, least: number): number {
  if (value === undefined) return standard;
  if (!Number.isSafeInteger(value) || (value as number) < least || (value as number) > 2 ** 31 - 1)
    throw new TypeError(`redis: ${name} must be a whole number of at least ${least}`);
  return value as number;
}
