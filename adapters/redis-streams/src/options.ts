import {
  type Address,
  formatAddress,
  OptionReader,
  type Secret,
  Secrets,
  type Source,
  type Tls,
  type TlsOptions,
  urlLogin,
  urlParameters,
} from '@duobus/core/driver';

export interface RedisStreamsOptions {
  /** Addresses, `host:port`: one server, some nodes of a cluster, or the sentinels. Default `localhost:6379`. */
  readonly hosts?: readonly string[];
  /** The ACL user, or a function that returns it. Default: none, which is Redis's own `default`. */
  readonly username?: Secret;
  /** The password, or a function that returns it. Default: none. */
  readonly password?: Secret;
  /** Number of the database; clusters have 0 alone. Default 0. */
  readonly database?: number;
  /** TLS, with `true` for the defaults. Default: as the scheme of the URL says. */
  readonly tls?: boolean | TlsOptions;
  /** `hosts` are nodes of a Redis Cluster. Default false. */
  readonly cluster?: boolean;
  /** `hosts` are sentinels, which know the master under this name. Default: none. */
  readonly sentinel?: string;
  /** The user of the sentinels themselves, or a function that returns it. Default: none. */
  readonly sentinelUsername?: Secret;
  /** The password of the sentinels themselves, or a function that returns it. Default: none. */
  readonly sentinelPassword?: Secret;
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

type Sources = {
  readonly username: Source<string> | undefined;
  readonly password: Source<string> | undefined;
  readonly sentinelUsername: Source<string> | undefined;
  readonly sentinelPassword: Source<string> | undefined;
  readonly tls: Source<Tls> | undefined;
};

/** What one attempt to connect goes by. */
export interface Login {
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly sentinelUsername: string | undefined;
  readonly sentinelPassword: string | undefined;
  readonly tls: Tls | undefined;
}

/** Options with every default filled in. */
export interface Settings {
  readonly hosts: readonly Address[];
  readonly secrets: Secrets<Sources>;
  readonly database: number;
  readonly cluster: boolean;
  readonly sentinel: string | undefined;
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
  const reader = new OptionReader('redis', options, known);
  const cluster = reader.flag('cluster', false);
  const sentinel = reader.text('sentinel', undefined);
  const port = sentinel === undefined ? 6379 : 26_379;
  const hosts = reader.addresses('hosts', port) ?? [{ host: 'localhost', port }];
  const connectTimeoutMs = reader.integer('connectTimeoutMs', 10_000, 100);
  const sources = {
    username: reader.secret('username'),
    password: reader.secret('password'),
    sentinelUsername: reader.secret('sentinelUsername'),
    sentinelPassword: reader.secret('sentinelPassword'),
    tls: reader.tls('tls') || undefined,
  };
  const settings: Settings = {
    hosts,
    secrets: new Secrets('redis', sources, connectTimeoutMs),
    database: reader.integer('database', 0, 0),
    cluster,
    sentinel,
    clientName: reader.text('clientName', 'duobus'),
    connectTimeoutMs,
    silenceMs: reader.integer('silenceMs', 10_000, 1_000),
    leaseMs: reader.integer('leaseMs', 10_000, 1_000),
    requireAof: aofOf(reader),
    waitReplicas: reader.integer('waitReplicas', 0, 0),
    waitAof: reader.flag('waitAof', false),
    waitTimeoutMs: reader.integer('waitTimeoutMs', 5_000, 1),
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

function parametersOf(query: string) {
  const { cluster, sentinel } = urlParameters('redis', query, ['cluster', 'sentinel'], known);
  if (cluster !== undefined && cluster !== 'true' && cluster !== 'false')
    throw new TypeError('redis: the parameter cluster of the URL must be true or false');
  return { cluster, sentinel };
}

function loginOf(login: string): Pick<RedisStreamsOptions, 'username' | 'password'> {
  const [username, password] = urlLogin('redis', login);
  return {
    ...(username === '' ? {} : { username }),
    ...(password === '' ? {} : { password }),
  };
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

function aofOf(reader: OptionReader<keyof RedisStreamsOptions>): boolean | 'always' {
  const value = reader.value('requireAof');
  if (value === undefined) return true;
  if (typeof value === 'boolean' || value === 'always') return value;
  throw reader.wrong("requireAof must be true, false or 'always'");
}
