import { certificatesIn } from './certificates.ts';
import { type Endpoints, type RedisUser, redisUsers, type StartOptions } from './options.ts';
import type { Ports } from './ports.ts';

export const redisPorts = ['plain', 'tls', 'bus'] as const;

/** The words of redis.conf for a truth value. */
const word = (value: string | number | boolean): string =>
  typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value);

const aclLine = ({ username, password, rules }: RedisUser): string =>
  `user ${username} on >${password} ${rules}`;

/** What is written survives a SIGKILL but for the last second; `appendfsync: 'always'` keeps that too. */
const durable: readonly string[] = ['appendonly yes', 'appendfsync everysec', "save ''"];

/** Of one server; `role` has the lines that make it a replica, or a node of a cluster. */
export function redisConf(
  folder: string,
  ports: Ports,
  { tls, sasl, config = {} }: StartOptions,
  role: readonly string[] = [],
): string {
  const files = certificatesIn(`${folder}/tls`);
  const tlsLines = [
    `tls-port ${ports['tls']}`,
    `tls-cert-file ${files.certificate}`,
    `tls-key-file ${files.key}`,
    `tls-ca-cert-file ${files.ca}`,
    'tls-auth-clients no',
  ];
  return [
    'bind 127.0.0.1',
    `port ${ports['plain']}`,
    `dir ${folder}/data`,
    ...durable,
    // a replica is served at once, and not after five seconds in which more might come
    'repl-diskless-sync-delay 0',
    ...role,
    ...(tls === true ? tlsLines : []),
    ...(sasl === true ? redisUsers.map(aclLine) : []),
    ...Object.entries(config).map(([key, value]) => `${key} ${word(value)}`),
    '',
  ].join('\n');
}

export function redisEndpoints(ports: Ports, { tls, sasl }: StartOptions): Endpoints {
  const [{ username, password }] = redisUsers;
  const plain = `127.0.0.1:${ports['plain']}`;
  const secure = `127.0.0.1:${ports['tls']}`;
  const login = `${username}:${password}@`;
  return {
    plain: `redis://${plain}`,
    ...(tls === true ? { tls: `rediss://${secure}` } : {}),
    ...(sasl === true ? { saslPlain: `redis://${login}${plain}` } : {}),
    ...(tls === true && sasl === true ? { saslTls: `rediss://${login}${secure}` } : {}),
  };
}

/** The name under which sentinels know their master. */
export const masterName = 'duobus';

export interface SentinelOptions {
  /** After this silence a sentinel takes a server to be down, in ms. Default 1,000. */
  readonly downAfterMs?: number;
  /** How many sentinels must agree. Default 2. */
  readonly quorum?: number;
}

export function sentinelConf(
  folder: string,
  port: number | undefined,
  masterPort: number | undefined,
  { downAfterMs = 1_000, quorum = 2 }: SentinelOptions,
): string {
  return [
    'bind 127.0.0.1',
    `port ${port}`,
    `dir ${folder}/data`,
    `sentinel monitor ${masterName} 127.0.0.1 ${masterPort} ${quorum}`,
    `sentinel down-after-milliseconds ${masterName} ${downAfterMs}`,
    // a failover that did not come about is tried again after twice this time
    `sentinel failover-timeout ${masterName} 5000`,
    '',
  ].join('\n');
}
