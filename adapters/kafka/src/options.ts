import {
  type Address,
  OptionReader,
  type Secret,
  Secrets,
  type TlsOptions,
  urlLogin,
  urlParameters,
} from '@duobus/core/driver';
import { Logins, type Mechanism } from './login.ts';

/** How the client proves who it is. */
export interface KafkaSasl {
  /** 'plain', 'scram-sha-256' or 'scram-sha-512'. */
  readonly mechanism: Mechanism;
  /** The user, or a function that returns it. */
  readonly username: Secret;
  /** The password, or a function that returns it. */
  readonly password: Secret;
}

export interface KafkaOptions {
  /** Addresses to start from, `host:port`; the others are learned from them. Required. */
  readonly brokers: readonly string[];
  /** Name of this client in the broker's logs and quotas. Default 'duobus'. */
  readonly clientId?: string;
  /** TLS. `true`: with the machine's authorities. Default none. */
  readonly tls?: boolean | TlsOptions;
  /** How the client proves who it is. Default none. */
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
  readonly logins: Logins;
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

const mechanisms: readonly Mechanism[] = ['plain', 'scram-sha-256', 'scram-sha-512'];

/** @throws TypeError that says which option is wrong and what it takes. */
export function settingsOf(options: KafkaOptions): Settings {
  const reader = new OptionReader('kafka', options, known);
  const brokers = reader.addresses('brokers');
  if (brokers === undefined)
    throw reader.wrong("brokers is missing: give addresses, e.g. ['localhost:9092']");
  const connectTimeoutMs = reader.integer('connectTimeoutMs', 10_000, 100);
  const tls = reader.tls('tls') || undefined;
  const { mechanism, ...login } = saslOf(reader);
  const settings: Settings = {
    brokers,
    clientId: reader.text('clientId', 'duobus'),
    logins: new Logins(
      new Secrets('kafka', { ...login, tls }, connectTimeoutMs),
      mechanism,
      tls !== undefined,
    ),
    connectTimeoutMs,
    requestTimeoutMs: reader.integer('requestTimeoutMs', 15_000, 1_000),
    sessionTimeoutMs: reader.integer('sessionTimeoutMs', 10_000, 1_000),
    heartbeatIntervalMs: reader.integer('heartbeatIntervalMs', 400, 50),
    rebalanceTimeoutMs: reader.integer('rebalanceTimeoutMs', 15_000, 1_000),
    metadataIntervalMs: reader.integer('metadataIntervalMs', 10_000, 100, 29_999),
    unorderedPartitions: reader.integer('unorderedPartitions', 8, 1, 1_024),
    replicationFactor: reader.integer('replicationFactor', -1, -1, 2 ** 15 - 1),
    minInsyncReplicas: reader.integer('minInsyncReplicas', undefined, 1),
    maxMessageBytes: reader.integer('maxMessageBytes', undefined, 1_024),
    registryTopic: reader.text('registryTopic', '__duobus.registry'),
  };
  if (settings.replicationFactor === 0)
    throw reader.wrong("replicationFactor must be 1 or more, or -1 for the broker's own");
  if (settings.heartbeatIntervalMs * 3 > settings.sessionTimeoutMs)
    throw reader.wrong('heartbeatIntervalMs must be at most a third of sessionTimeoutMs');
  if (!/^[A-Za-z0-9._-]{1,249}$/.test(settings.registryTopic))
    throw reader.wrong('registryTopic must be a name that Kafka takes: A-Z a-z 0-9 . _ -');
  return settings;
}

function saslOf(options: OptionReader<keyof KafkaOptions>) {
  const sasl = options.nested('sasl', ['mechanism', 'username', 'password']);
  const mechanism = sasl?.oneOf('mechanism', mechanisms);
  const username = sasl?.secret('username');
  const password = sasl?.secret('password');
  if (sasl !== undefined && (mechanism === undefined || !username || !password))
    throw options.wrong(`sasl needs mechanism (${mechanisms.join(', ')}), username and password`);
  return { mechanism, 'sasl.username': username, 'sasl.password': password };
}

/** Options from `kafka://user:password@host:port,host:port?sasl=plain`, or `kafka+ssl://`. The password is never repeated. */
export function optionsOfUrl(url: string): KafkaOptions {
  const match = /^(kafka|kafka\+ssl):\/\/(?:([^@/?#]*)@)?([^/?#@]+)\/?(?:\?([^#]*))?$/.exec(url);
  if (match === null)
    throw new TypeError(
      'kafka: a URL must look like kafka://user:password@host:9092,host:9092?sasl=plain, or kafka+ssl://...',
    );
  const [, scheme, login, hosts = '', query = ''] = match;
  const { sasl } = urlParameters('kafka', query, ['sasl'], known);
  if (sasl !== undefined && login === undefined)
    throw new TypeError('kafka: the URL names a SASL mechanism but no user and password');
  const options: KafkaOptions = {
    brokers: hosts.split(',').map((host) => host.trim()),
    ...(scheme === 'kafka+ssl' ? { tls: true } : {}),
  };
  if (login === undefined) return options;
  const [username, password] = urlLogin('kafka', login);
  // judged with the other options
  const mechanism = (sasl ?? 'plain') as Mechanism;
  return { ...options, sasl: { mechanism, username, password } };
}
