import { readFileSync } from 'node:fs';
import { connect as connectAmqp } from 'amqplib';
import { type Address, formatAddress, parseAddress } from '@duobus/core/driver';
import type { AmqpConnection } from './client.ts';
import { anyOf, type Connect } from './nodes.ts';

/** What a connection is for: publishing stops during a broker's memory or disk alarm, consuming must not. */
export type ConnectionPurpose = 'publish' | 'consume';

export interface RabbitmqTls {
  /** PEM of the authorities to trust. Default: those of Node. */
  readonly ca?: string | Uint8Array | readonly (string | Uint8Array)[];
  /** A file with the PEM of the authorities, for configurations that are plain data. */
  readonly caFile?: string;
  /** PEM of the client's certificate, where the broker asks for one. */
  readonly cert?: string | Uint8Array;
  /** PEM of the key of `cert`. */
  readonly key?: string | Uint8Array;
  readonly passphrase?: string;
  /** The name the broker's certificate must carry. Default: the host. */
  readonly servername?: string;
  /** False accepts any certificate: only for tests. Default true. */
  readonly rejectUnauthorized?: boolean;
}

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
  /** Default `guest`. */
  readonly username?: string;
  /** Default `guest`. */
  readonly password?: string;
  /** Default `/`. */
  readonly vhost?: string;
  /** TLS, with `true` for the defaults. Default: as the scheme of `url` says. */
  readonly tls?: boolean | RabbitmqTls;
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

/** @throws TypeError for options that make no sense. Its message never repeats a URL: it may hold a password. */
export function readOptions(options: RabbitmqOptions): Settings {
  const heartbeatMs = atLeast('heartbeatMs', options.heartbeatMs ?? 10_000, 1000);
  const connectTimeoutMs = atLeast('connectTimeoutMs', options.connectTimeoutMs ?? 10_000, 100);
  const consumerTimeoutMs = atLeast(
    'consumerTimeoutMs',
    options.consumerTimeoutMs ?? 1_800_000,
    1000,
  );
  const groupLeaseMs = atLeast('groupLeaseMs', options.groupLeaseMs ?? 10_000, 500);
  const common = { connectTimeoutMs, consumerTimeoutMs, groupLeaseMs };
  if (options.connect !== undefined) {
    return { ...common, where: 'the given connections', connect: options.connect };
  }
  const { addresses, vhost, ...login } = loginOf(options);
  const tls = tlsOf(options.tls);
  const name = options.connectionName ?? 'duobus';
  const nodes = addresses.map(
    ({ host: hostname, port }): Connect =>
      (purpose) =>
        connectAmqp(
          { ...login, hostname, port, vhost, heartbeat: Math.round(heartbeatMs / 1000) },
          {
            ...tls,
            noDelay: true,
            timeout: connectTimeoutMs,
            clientProperties: { connection_name: `${name} (${purpose})` },
          },
        ),
  );
  return {
    ...common,
    where: `${login.protocol}://${addresses.map(formatAddress).join(',')}, vhost '${decodeURIComponent(vhost)}'`,
    // so that clients that start together do not all go to the same node
    connect: anyOf(nodes, Math.floor(Math.random() * nodes.length)),
  };
}

function loginOf(options: RabbitmqOptions) {
  const urls = parse(options.url);
  const [url] = urls;
  const secure = options.tls === undefined ? url?.protocol === 'amqps:' : options.tls !== false;
  const user = url?.username === '' ? undefined : url?.username;
  const password = url?.password === '' ? undefined : url?.password;
  // amqplib unescapes the vhost once more
  const vhost =
    options.vhost === undefined ? url?.pathname.slice(1) : encodeURIComponent(options.vhost);
  return {
    protocol: secure ? 'amqps' : 'amqp',
    username: options.username ?? decode(user) ?? 'guest',
    password: options.password ?? decode(password) ?? 'guest',
    vhost: vhost === undefined || vhost === '' ? '%2F' : vhost,
    addresses: addressesOf(options, urls, secure ? 5671 : 5672),
  };
}

function addressesOf(
  { host, port, hosts }: RabbitmqOptions,
  urls: readonly URL[],
  standardPort: number,
): readonly Address[] {
  if (hosts === undefined) {
    const [first] = urls;
    const places = host === undefined && urls.length > 0 ? urls : [first];
    return places.map((url) => ({
      host: host ?? (url?.hostname.replace(/^\[|\]$/g, '') || 'localhost'),
      port: port ?? (Number(url?.port) || standardPort),
    }));
  }
  if (host !== undefined) throw new TypeError('rabbitmq: give either host or hosts, not both');
  if (!Array.isArray(hosts) || hosts.length === 0)
    throw new TypeError("rabbitmq: hosts must be a list of addresses, e.g. ['localhost:5672']");
  return hosts.map((text: unknown) => {
    const address = parseAddress(text, port ?? standardPort);
    if (address !== undefined) return address;
    throw new TypeError(
      'rabbitmq: every host must be host:port, e.g. localhost:5672 or [::1]:5672',
    );
  });
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
  return parsed;
}

function tlsOf(tls: RabbitmqOptions['tls']): object {
  if (typeof tls !== 'object') return {};
  const { caFile, ...rest } = tls;
  return caFile === undefined ? rest : { ...rest, ca: readFileSync(caFile) };
}

function decode(part: string | undefined): string | undefined {
  return part === undefined ? undefined : decodeURIComponent(part);
}

function atLeast(name: string, value: number, minimum: number): number {
  if (Number.isFinite(value) && value >= minimum) return value;
  throw new TypeError(
    `rabbitmq: ${name} must be a number of at least ${String(minimum)}, got ${String(value)}`,
  );
}
