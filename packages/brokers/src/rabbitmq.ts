import { chmodSync, cpSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { connect as connectAmqp } from 'amqplib';
import { certificatesIn, makeCertificates } from './certificates.ts';
import { debianRoot, userIn } from './debian-root.ts';
import { nodeUrls } from './node-urls.ts';
import { configLines, type StartOptions } from './options.ts';
import { ensureFolder } from './paths.ts';
import { accepts, type Ports } from './ports.ts';
import type { ProcessId } from './processes.ts';
import { type Programs, type Workshop, workshop } from './programs.ts';
import { alone, type Assembly, type Server, type Site } from './server.ts';
import { onPath, run } from './shell.ts';
import { until } from './until.ts';

export const rabbitmqPorts = ['amqp', 'amqps', 'dist', 'epmd'] as const;

/** What the nodes of a cluster have to be told of each other. */
export interface Membership {
  /** The node's own name. */
  readonly node: string;
  readonly cookie: string;
  /** Lines that name the others. */
  readonly config: readonly string[];
  /** Erlang's port mapper is started by someone else. */
  readonly epmdElsewhere: boolean;
}

const single = (): Membership => ({
  node: 'duobus@localhost',
  cookie: `duobus-${process.pid}-${Date.now()}`,
  config: [],
  epmdElsewhere: false,
});

export function rabbitmqConf(
  folder: string,
  ports: Ports,
  { tls, config }: StartOptions,
  more: readonly string[] = [],
): string {
  const files = certificatesIn(`${folder}/tls`);
  const tlsLines = [
    `listeners.ssl.1 = 127.0.0.1:${ports['amqps']}`,
    `ssl_options.cacertfile = ${files.ca}`,
    `ssl_options.certfile = ${files.certificate}`,
    `ssl_options.keyfile = ${files.key}`,
    'ssl_options.verify = verify_none',
    'ssl_options.fail_if_no_peer_cert = false',
  ];
  return [
    `listeners.tcp.1 = 127.0.0.1:${ports['amqp']}`,
    ...more,
    ...(tls === true ? tlsLines : []),
    ...configLines(config, ' = '),
    '',
  ].join('\n');
}

const environment =
  (ports: Ports, node: string) =>
  (folder: string): Record<string, string> => ({
    HOME: folder,
    ERL_EPMD_ADDRESS: '127.0.0.1',
    ERL_EPMD_PORT: String(ports['epmd']),
    RABBITMQ_NODENAME: node,
    RABBITMQ_DIST_PORT: String(ports['dist']),
    RABBITMQ_CONFIG_FILE: `${folder}/rabbitmq.conf`,
    RABBITMQ_MNESIA_BASE: `${folder}/data`,
    RABBITMQ_LOG_BASE: `${folder}/log`,
    RABBITMQ_PID_FILE: `${folder}/rabbitmq.pid`,
    RABBITMQ_ENABLED_PLUGINS_FILE: `${folder}/enabled_plugins`,
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: [
      // the two schedulers of a test machine are shared: do not spin while idle
      '+sbwt none +sbwtdcpu none +sbwtdio none',
      '-kernel inet_dist_use_interface {127,0,0,1}',
    ].join(' '),
  });

/** Started by us, not by Erlang as a daemon: so its pid is known, and it can be stopped. */
export async function launchEpmd(
  { launch }: Workshop,
  logFile: string,
  port: number,
): Promise<ProcessId> {
  const epmd = launch('epmd', [], { logFile });
  await until(() => accepts(port), { timeoutMs: 20_000, what: 'epmd' });
  return epmd;
}

export const rabbitmqWorkshop = (
  programs: Programs,
  folder: string,
  ports: Ports,
  node: string = single().node,
): Workshop => workshop(programs, join(folder, 'home'), environment(ports, node));

/** With the node of the URL; where it names several, with each of them. */
export async function rabbitmqHandshake(url: string): Promise<string> {
  const [first, ...others] = nodeUrls(url);
  const version = await greet(first);
  await Promise.all(others.map(greet));
  return version;
}

async function greet(url: string): Promise<string> {
  const model = await connectAmqp(url, { timeout: 5_000 });
  model.on('error', () => undefined);
  const channel = await model.createChannel();
  await channel.close();
  await model.close();
  return model.connection.serverProperties['version'];
}

export function rabbitmqServer(
  programs: Programs,
  folder: string,
  ports: Ports,
  options: StartOptions,
  membership: Membership = single(),
): Server {
  const data = join(folder, 'home');
  const logFile = join(folder, 'server.log');
  const shop = rabbitmqWorkshop(programs, folder, ports, membership.node);
  const plain = `amqp://guest:guest@127.0.0.1:${ports['amqp']}`;
  return {
    endpoints: {
      plain,
      ...(options.tls === true ? { tls: `amqps://guest:guest@127.0.0.1:${ports['amqps']}` } : {}),
    },
    ca: options.tls === true ? join(folder, 'tls/ca.pem') : undefined,
    logFile,
    async prepare() {
      for (const name of ['data', 'log', 'tls']) ensureFolder(join(data, name));
      if (options.tls === true) {
        await makeCertificates(join(folder, 'tls'));
        cpSync(join(folder, 'tls'), join(data, 'tls'), { recursive: true });
      }
      const text = rabbitmqConf(shop.seen, ports, options, membership.config);
      writeFileSync(join(data, 'rabbitmq.conf'), text);
      writeFileSync(join(data, 'enabled_plugins'), '[].\n');
      writeFileSync(join(data, '.erlang.cookie'), membership.cookie);
      chmodSync(join(data, '.erlang.cookie'), 0o400);
      shop.give();
    },
    async launch() {
      const server = (): ProcessId => shop.launch('rabbitmq-server', [], { logFile });
      if (membership.epmdElsewhere) return [server()];
      const epmd = await launchEpmd(shop, join(folder, 'epmd.log'), ports['epmd'] ?? 0);
      return [server(), epmd];
    },
    async handshake() {
      // the TLS listener is the last to open
      if (options.tls === true && !(await accepts(ports['amqps'] ?? 0))) {
        throw new Error('the TLS listener is not open yet');
      }
      return rabbitmqHandshake(plain);
    },
    ctl: (args) => shop.run('rabbitmqctl', args),
  };
}

/** The RabbitMQ on PATH and its version, if there is one. */
export async function rabbitmqOnPath(): Promise<{ bin: string; version: string } | undefined> {
  const server = onPath('rabbitmq-server');
  if (server === undefined) return undefined;
  const bin = dirname(server);
  const version = await run(join(bin, 'rabbitmqctl'), ['version']).catch(() => '');
  return { bin, version: version.trim() };
}

/** Debian's script gives root away and runs as this user. */
function systemUser(): ReturnType<typeof userIn> | undefined {
  if (process.getuid?.() !== 0) return undefined;
  try {
    return userIn('/', 'rabbitmq');
  } catch {
    return undefined;
  }
}

export async function rabbitmqPrograms({ spec, recipe }: Site): Promise<Programs> {
  if (recipe === 'fetched') {
    const root = await debianRoot(spec.source, 'rabbitmq-server');
    return { root, user: 'rabbitmq', bin: '/usr/lib/rabbitmq/bin' };
  }
  const found = await rabbitmqOnPath();
  if (found === undefined) throw new Error('rabbitmq-server has left PATH');
  return { bin: found.bin, owner: systemUser() };
}

export async function assembleRabbitmq(site: Site): Promise<Assembly> {
  const programs = await rabbitmqPrograms(site);
  const ports = await site.allocate(rabbitmqPorts);
  return alone(rabbitmqServer(programs, site.folder, ports, site.options));
}
