import { connect as connectAmqp } from 'amqplib';
import {
  type Address,
  formatAddress,
  OptionReader,
  type Secret,
  Secrets,
  type Source,
  type Tls,
  type TlsOptions,
  urlParameters,
  urlPart,
} from '@duobus/core/driver';
import type { AmqpConnection } from './client.ts';
import { classify } from './native-errors.ts';
import { anyOf, type Connect } from './nodes.ts';

/** What a connection is for: publishing stops during a broker's memory or disk alarm, consuming must not. */
export type ConnectionPurpose = 'publish' | 'consume';

export interface RabbitmqOptions {
  /** `amqp://user:password@host:5672/vhost`, `amqp://host,host` for the nodes of one cluster, or `amqps://` for TLS. The
   *  fields below win over its parts. */
  readonly url?: string;
  /** Default `localhost`. */
  readonly host?: string;
  /** Nodes of one cluster, `host:port`, instead of `host`: any will do, and when it is lost, the next. */
  readonly hosts?: readonly string[];
  /** Default 5672, with TLS 5671. */
  readonly port?: number;
  /** The user, or a function that returns it. Default `guest`. */
  readonly username?: Secret;
  /** The password, or a function that returns it. Default `guest`. */
  readonly password?: Secret;
  /** Default `/`. */
  readonly vhost?: string;
  /** TLS, with `true` for the defaults. Default: as the scheme of `url` says. */
  readonly tls?: boolean | TlsOptions;
  /** Time between heartbeats in ms, rounded to seconds; a silent broker is given up after about three. Default
   *  10,000, minimum 1,000. */
  readonly heartbeatMs?: number;
  /** Time for one connection attempt in ms. Default 10,000, minimum 100. */
  readonly connectTimeoutMs?: number;
  /** What the broker's operators see. Default `duobus`. */
  readonly connectionName?: string;
  /** The broker's `consumer_timeout` in ms: what is held for long is renewed well before. Default 1,800,000 (30 min,
   *  the broker's default), minimum 1,000. */
  readonly consumerTimeoutMs?: number;
  /** Data bus: a member of a group that shows no sign of life for so many ms is taken for dead; it writes one four times
   *  as often. Default 10,000, minimum 500. */
  readonly groupLeaseMs?: number;
  /** Makes connections instead of all of the above, with amqplib's plain `connect`. Called again after every loss. */
  readonly connect?: (purpose: ConnectionPurpose) => Promise<AmqpConnection>;
}

/** Options with every default filled in. */
export interface Settings {
  /** The broker without credentials, for messages. */
  readonly where: string;
  readonly connectTimeoutMs: number;
  readonly consumerTimeoutMs: number;
  readonly groupLeaseMs: number;
  readonly connect: Connect;
}

const known = [
  'url',
  'host',
  'hosts',
  'port',
  'username',
  'password',
  'vhost',
  'tls',
  'heartbeatMs',
  'connectTimeoutMs',
  'connectionName',
  'consumerTimeoutMs',
  'groupLeaseMs',
  'connect',
] as const satisfies readonly (keyof RabbitmqOptions)[];

type Reader = OptionReader<keyof RabbitmqOptions>;

/** What one attempt to connect goes by. */
interface Login {
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly tls: Tls | undefined;
}

/** @throws TypeError for options that make no sense. Its message never repeats a URL: it may hold a password. */
export function readOptions(options: RabbitmqOptions): Settings {
  const reader = new OptionReader('rabbitmq', options, known);
  const heartbeatMs = reader.integer('heartbeatMs', 10_000, 1_000);
  const connectTimeoutMs = reader.integer('connectTimeoutMs', 10_000, 100);
  const common = {
    connectTimeoutMs,
    consumerTimeoutMs: reader.integer('consumerTimeoutMs', 1_800_000, 1_000),
    groupLeaseMs: reader.integer('groupLeaseMs', 10_000, 500),
  };
  const name = reader.text('connectionName', 'duobus');
  const { addresses, vhost, protocol, sources } = loginOf(reader);
  const connect = reader.fn('connect') as RabbitmqOptions['connect'];
  if (connect !== undefined) return { ...common, where: 'the given connections', connect };
  const secrets = new Secrets('rabbitmq', sources, connectTimeoutMs);
  const where = `${protocol}://${addresses.map(formatAddress).join(',')}, vhost '${decodeURIComponent(vhost)}'`;
  const heartbeat = Math.round(heartbeatMs / 1000);
  const nodes = addresses.map(
    ({ host: hostname, port }): Connect<[Login]> =>
      (purpose, _signal, { username = 'guest', password = 'guest', tls }) =>
        connectAmqp(
          { protocol, username, password, hostname, port, vhost, heartbeat },
          {
            ...tls,
            noDelay: true,
            timeout: connectTimeoutMs,
            clientProperties: { connection_name: `${name} (${purpose})` },
          },
        ),
  );
  // so that clients that start together do not all go to the same node
  const some = anyOf(nodes, Math.floor(Math.random() * nodes.length));
  return {
    ...common,
    where,
    connect: (purpose, signal) =>
      secrets.use(async (login) => {
        try {
          return await some(purpose, signal, login);
        } catch (error) {
          signal.throwIfAborted();
          throw classify(error, `connect to ${where}`);
        }
      }, signal),
  };
}

function loginOf(reader: Reader) {
  const urls = parse(reader.text('url', undefined));
  const [url] = urls;
  const tls = reader.tls('tls');
  const secure = tls === undefined ? url?.protocol === 'amqps:' : tls !== false;
  // amqplib unescapes the vhost once more
  const given = reader.text('vhost', undefined);
  const vhost = given === undefined ? url?.pathname.slice(1) : encodeURIComponent(given);
  return {
    protocol: secure ? 'amqps' : 'amqp',
    vhost: vhost === undefined || vhost === '' ? '%2F' : vhost,
    addresses: addressesOf(reader, urls, secure ? 5671 : 5672),
    sources: {
      username: reader.secret('username') ?? fromUrl(url?.username),
      password: reader.secret('password') ?? fromUrl(url?.password),
      tls: tls === false ? undefined : tls,
    },
  };
}

function fromUrl(part: string | undefined): Source<string> | undefined {
  if (part === undefined || part === '') return undefined;
  const value = urlPart('rabbitmq', part);
  return { asks: false, read: () => Promise.resolve(value) };
}

function addressesOf(
  reader: Reader,
  urls: readonly URL[],
  standardPort: number,
): readonly Address[] {
  const host = reader.text('host', undefined);
  const port = reader.integer('port', undefined, 1, 65_535);
  const hosts = reader.addresses('hosts', port ?? standardPort);
  if (hosts !== undefined && host !== undefined)
    throw reader.wrong('give either host or hosts, not both');
  if (hosts !== undefined) return hosts;
  const [first] = urls;
  const places = host === undefined && urls.length > 0 ? urls : [first];
  return places.map((url) => ({
    host: host ?? (url?.hostname.replace(/^\[|\]$/g, '') || 'localhost'),
    port: port ?? (Number(url?.port) || standardPort),
  }));
}

/** One for each host that it names. */
function parse(url: string | undefined): readonly URL[] {
  if (url === undefined) return [];
  const example = "like 'amqp://user:password@host:5672/vhost'";
  const [, before = '', hosts = '', after = ''] =
    /^([^:]*:\/\/(?:[^/?#]*@)?)([^/?#@]*)(.*)$/s.exec(url) ?? [];
  const names = hosts.split(',').map((host) => host.trim());
  const texts = names.map((host) => `${before}${host}${after}`);
  const isWhole = names.length === 1 || !names.includes('');
  if (!isWhole || !texts.every((text) => URL.canParse(text))) {
    throw new TypeError(`rabbitmq: url must be a URL ${example}`);
  }
  const parsed = texts.map((text) => new URL(text));
  const other = parsed.find(({ protocol }) => protocol !== 'amqp:' && protocol !== 'amqps:');
  if (other !== undefined) {
    throw new TypeError(
      `rabbitmq: url must begin with amqp: or amqps:, got ${other.protocol}; write it ${example}`,
    );
  }
  for (const { search } of parsed.slice(0, 1)) urlParameters('rabbitmq', search, [], known);
  return parsed;
}
