import type { TlsOptions as NodeTlsOptions } from 'node:tls';
import { type Address, parseAddress } from '@duobus/core/driver';

/** How the client proves who it is. */
export interface KafkaSasl {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
  readonly username: string;
  readonly password: string;
}

/** What `node:tls` takes to check the broker and to show a certificate of one's own. */
export type KafkaTls = Pick<NodeTlsOptions, 'ca' | 'cert' | 'key' | 'passphrase' | 'pfx'> & {
  readonly servername?: string;
  /** Default true. False accepts any certificate: for tests only. */
  readonly rejectUnauthorized?: boolean;
};

export interface KafkaOptions {
  /** Addresses to start from, `host:port`; the others are learned from them. Required. */
  readonly brokers: readonly string[];
  /** Name of this client in the broker's logs and quotas. Default 'duobus'. */
  readonly clientId?: string;
  /** TLS. `true`: with the machine's authorities. Default none. */
  readonly tls?: boolean | KafkaTls;
  /** User and password. Default none. */
  readonly sasl?: KafkaSasl;
  /** How long connecting to one broker may take, TLS and SASL included, in ms. Default 10,000; at least 100. */
  readonly connectTimeoutMs?: number;
  /** How long a broker may take to answer, in ms. Default 15,000; at least 1,000. */
  readonly requestTimeoutMs?: number;
  /** After this silence a consumer is taken to be dead and its partitions go to others, in ms. Default 10,000; the
   *  broker allows 6,000 to 1,800,000 unless told otherwise. */
  readonly sessionTimeoutMs?: number;
  /** How often a consumer shows that it is alive, and learns of changes, in ms. Default 400; at least 50. */
  readonly heartbeatIntervalMs?: number;
  /** How long consumers that give partitions up get to finish what runs, in ms. Default 15,000; at least 1,000. */
  readonly rebalanceTimeoutMs?: number;
  /** How often consumers look for added partitions, in ms. Default 10,000; at least 100, below 30,000. */
  readonly metadataIntervalMs?: number;
  /** Partitions of event topics without order: so many consumers of a subscription can share the work. Default 8; from
   *  1 to 1,024. Counts when a topic is made. */
  readonly unorderedPartitions?: number;
  /** Copies of every partition of topics made by duobus. Default -1: the broker's default.replication.factor. */
  readonly replicationFactor?: number;
  /** Copies that must have a record before its publish resolves, for topics made by duobus. Default: the broker's. */
  readonly minInsyncReplicas?: number;
  /** `max.message.bytes` of topics made by duobus. Default: the broker's (1 MiB unless it was changed). */
  readonly maxMessageBytes?: number;
  /** Topic in which duobus keeps what it knows about topics. Default '__duobus.registry'. */
  readonly registryTopic?: string;
}

export interface Settings {
  readonly brokers: readonly Address[];
  readonly clientId: string;
  readonly tls: KafkaTls | undefined;
  readonly sasl: KafkaSasl | undefined;
  readonly connectTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly sessionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly metadataIntervalMs: number;
  readonly unorderedPartitions: number;
  readonly replicationFactor: number;
  readonly minInsyncReplicas: number | undefined;
  readonly maxMessageBytes: number | undefined;
  readonly registryTopic: string;
}

const known = [
  'brokers',
  'clientId',
  'tls',
  'sasl',
  'connectTimeoutMs',
  'requestTimeoutMs',
  'sessionTimeoutMs',
  'heartbeatIntervalMs',
  'rebalanceTimeoutMs',
  'metadataIntervalMs',
  'unorderedPartitions',
  'replicationFactor',
  'minInsyncReplicas',
  'maxMessageBytes',
  'registryTopic',
] as const satisfies readonly (keyof KafkaOptions)[];

const mechanisms = ['plain', 'scram-sha-256', 'scram-sha-512'] as const;

/** @throws TypeError that says which option is wrong and what it takes. */
export function settingsOf(options: KafkaOptions): Settings {
  if (typeof options !== 'object' || options === null)
    throw new TypeError("kafka: options must be an object, e.g. { brokers: ['localhost:9092'] }");
  for (const name of Object.keys(options)) {
    if (!(known as readonly string[]).includes(name))
      throw new TypeError(`kafka: unknown option '${name}'. Known are: ${known.join(', ')}`);
  }
  const settings: Settings = {
    brokers: brokersOf(options.brokers),
    clientId: textOf('clientId', options.clientId, 'duobus'),
    tls: tlsOf(options.tls),
    sasl: saslOf(options.sasl),
    connectTimeoutMs: integer('connectTimeoutMs', options.connectTimeoutMs, 10_000, 100),
    requestTimeoutMs: integer('requestTimeoutMs', options.requestTimeoutMs, 15_000, 1_000),
    sessionTimeoutMs: integer('sessionTimeoutMs', options.sessionTimeoutMs, 10_000, 1_000),
    heartbeatIntervalMs: integer('heartbeatIntervalMs', options.heartbeatIntervalMs, 400, 50),
    rebalanceTimeoutMs: integer('rebalanceTimeoutMs', options.rebalanceTimeoutMs, 15_000, 1_000),
    metadataIntervalMs: integer(
      'metadataIntervalMs',
      options.metadataIntervalMs,
      10_000,
      100,
      29_999,
    ),
    unorderedPartitions: integer('unorderedPartitions', options.unorderedPartitions, 8, 1, 1_024),
    replicationFactor: integer('replicationFactor', options.replicationFactor, -1, -1),
    minInsyncReplicas:
      options.minInsyncReplicas === undefined
        ? undefined
        : integer('minInsyncReplicas', options.minInsyncReplicas, 1, 1),
    maxMessageBytes:
      options.maxMessageBytes === undefined
        ? undefined
        : integer('maxMessageBytes', options.maxMessageBytes, 1, 1_024),
    registryTopic: textOf('registryTopic', options.registryTopic, '__duobus.registry'),
  };
  if (settings.replicationFactor === 0)
    throw new TypeError("kafka: replicationFactor must be 1 or more, or -1 for the broker's own");
  if (settings.heartbeatIntervalMs * 3 > settings.sessionTimeoutMs)
    throw new TypeError('kafka: heartbeatIntervalMs must be at most a third of sessionTimeoutMs');
  if (!/^[A-Za-z0-9._-]{1,249}$/.test(settings.registryTopic))
    throw new TypeError('kafka: registryTopic must be a name that Kafka takes: A-Z a-z 0-9 . _ -');
  return settings;
}

/** Options from `kafka://user:password@host:port,host:port?sasl=plain`, or `kafka+ssl://`. The password is never repeated. */
export function optionsOfUrl(url: string): KafkaOptions {
  const match = /^(kafka|kafka\+ssl):\/\/(?:([^@/?#]*)@)?([^/?#@]+)\/?(?:\?([^#]*))?$/.exec(url);
  if (match === null)
    throw new TypeError(
      'kafka: a URL must look like kafka://user:password@host:9092,host:9092?sasl=plain, or kafka+ssl://...',
    );
  const [, scheme, login, hosts = '', query = ''] = match;
  const parameters = new URLSearchParams(query);
  const sasl = parameters.get('sasl') ?? undefined;
  parameters.delete('sasl');
  const other = parameters.keys().next().value;
  if (other !== undefined)
    throw new TypeError(
      `kafka: the URL has an unknown parameter '${other}', known is sasl; give everything else as options`,
    );
  if (sasl !== undefined && login === undefined)
    throw new TypeError('kafka: the URL names a SASL mechanism but no user and password');
  const options: KafkaOptions = {
    brokers: hosts.split(',').map((host) => host.trim()),
    ...(scheme === 'kafka+ssl' ? { tls: true } : {}),
  };
  return login === undefined ? options : { ...options, sasl: loginOf(login, sasl ?? 'plain') };
}

function loginOf(login: string, mechanism: string): KafkaSasl {
  const colon = login.indexOf(':');
  const part = (text: string): string => {
    try {
      return decodeURIComponent(text);
    } catch (cause) {
      throw new TypeError('kafka: user and password in the URL must be percent-encoded', { cause });
    }
  };
  if (colon < 0)
    throw new TypeError('kafka: the URL has a user but no password: write user:password@');
  return {
    mechanism: mechanism as KafkaSasl['mechanism'],
    username: part(login.slice(0, colon)),
    password: part(login.slice(colon + 1)),
  };
}

function brokersOf(brokers: unknown): readonly Address[] {
  if (!Array.isArray(brokers) || brokers.length === 0)
    throw new TypeError("kafka: brokers must be a list of addresses, e.g. ['localhost:9092']");
  return brokers.map((text: unknown) => {
    const address = parseAddress(text);
    if (address !== undefined) return address;
    throw new TypeError('kafka: every broker must be host:port, e.g. localhost:9092 or [::1]:9092');
  });
}

function tlsOf(tls: unknown): KafkaTls | undefined {
  if (tls === undefined || tls === false) return undefined;
  if (tls === true) return {};
  if (typeof tls !== 'object' || tls === null)
    throw new TypeError('kafka: tls must be true or an object such as { ca }');
  return tls;
}

function saslOf(sasl: unknown): KafkaSasl | undefined {
  if (sasl === undefined) return undefined;
  const { mechanism, username, password } = (sasl ?? {}) as Partial<KafkaSasl>;
  if (!mechanisms.includes(mechanism as KafkaSasl['mechanism']))
    throw new TypeError(`kafka: the SASL mechanism must be one of ${mechanisms.join(', ')}`);
  if (typeof username !== 'string' || typeof password !== 'string')
    throw new TypeError('kafka: sasl needs username and password, both strings');
  return { mechanism: mechanism as KafkaSasl['mechanism'], username, password };
}

function textOf(name: string, value: unknown, standard: string): string {
  if (value === undefined) return standard;
  if (typeof value !== 'string' || value === '')
    throw new TypeError(`kafka: ${name} must be a string that is not empty`);
  return value;
}

function integer(
  name: string,
  value: unknown,
  standard: number,
  least: number,
  most: number = 2 ** 31 - 1,
): number {
  if (value === undefined) return standard;
  if (!Number.isInteger(value) || (value as number) < least || (value as number) > most) {
    throw new TypeError(`kafka: ${name} must be a whole number from ${least} to ${most}`);
  }
  return value as number;
}
