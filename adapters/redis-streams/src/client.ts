import { Cluster, type ClusterOptions, Redis } from 'ioredis';
import type { Login, Settings } from './options.ts';

export type Client = Redis | Cluster;

/** What a connection is for. A server that is slow to store must not keep readers from being heard. */
export type Purpose = 'publishing' | 'commands' | 'bell';

/** ioredis sends nothing twice and mends nothing: a command that is sent again after a lost reply is done twice. */
const untouched = {
  // RESP3 gives replies other shapes according to how a command's name is written
  protocol: 2,
  maxRetriesPerRequest: 0,
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  noDelay: true,
  keepAlive: 10_000,
} as const;

/** Makes a client that is not connected yet. */
export function makeClient(settings: Settings, login: Login, purpose: Purpose): Client {
  const { hosts, cluster, sentinel, connectTimeoutMs } = settings;
  const common = {
    ...untouched,
    connectTimeout: connectTimeoutMs,
    socketTimeout: settings.silenceMs,
    // what it looks for `open` looks for as well, and it writes to the console where it may not; a sentinel's word
    // on who is the master has to be checked
    enableReadyCheck: sentinel !== undefined,
    connectionName: `${settings.clientName}-${purpose}`,
    ...(login.username === undefined ? {} : { username: login.username }),
    ...(login.password === undefined ? {} : { password: login.password }),
    ...(login.tls === undefined ? {} : { tls: login.tls }),
  };
  if (cluster) return makeCluster(settings, login.tls !== undefined, common);
  const [first] = hosts as [Settings['hosts'][number]];
  const alone = {
    ...common,
    db: settings.database,
    retryStrategy: () => null,
    enableOfflineQueue: false,
    lazyConnect: true,
  };
  if (sentinel === undefined) return new Redis({ ...alone, host: first.host, port: first.port });
  return new Redis({
    ...alone,
    sentinels: [...hosts],
    name: sentinel,
    role: 'master',
    sentinelRetryStrategy: () => null,
    failoverDetector: false,
    ...(login.sentinelUsername === undefined ? {} : { sentinelUsername: login.sentinelUsername }),
    ...(login.sentinelPassword === undefined ? {} : { sentinelPassword: login.sentinelPassword }),
    ...(login.tls === undefined ? {} : { sentinelTLS: login.tls, enableTLSForSentinelMode: true }),
  });
}

function makeCluster(
  { hosts, connectTimeoutMs }: Settings,
  secure: boolean,
  redisOptions: NonNullable<ClusterOptions['redisOptions']>,
): Cluster {
  return new Cluster([...hosts], {
    lazyConnect: true,
    enableOfflineQueue: false,
    clusterRetryStrategy: () => null,
    // 0: what was under way when its node was lost is not sent again
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    retryDelayOnTryAgain: 50,
    maxRedirections: 8,
    slotsRefreshTimeout: connectTimeoutMs,
    // its own timer outlives `disconnect` when it comes in the middle of a refresh: links refresh
    slotsRefreshInterval: 0,
    redisOptions: { ...redisOptions, replyMapping: 'legacy' },
    // certificates carry names, so names must not be resolved before the handshake
    ...(secure
      ? {
          dnsLookup: (address: string, found: (error: null, address: string) => void) =>
            found(null, address),
        }
      : {}),
  });
}
