import { chmodSync, chownSync, cpSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { connect as connectAmqp } from 'amqplib';
import { certificatesIn, makeCertificates } from './certificates.ts';
import { insideRoot, mountPoint, userIn } from './debian-root.ts';
import { configLines, type StartOptions } from './options.ts';
import { ensureFolder } from './paths.ts';
import type { Ports } from './ports.ts';
import { launch, type ProcessId } from './processes.ts';
import type { Server } from './server.ts';
import { onPath, run } from './shell.ts';
import { until } from './until.ts';

/** Where the programs are: in a Debian root of ours, or on this machine. */
export type RabbitmqHome =
  | { readonly root: string }
  | {
      readonly bin: string;
      readonly user: { readonly uid: number; readonly gid: number } | undefined;
    };

export const rabbitmqPorts = ['amqp', 'amqps', 'dist', 'epmd'] as const;
const user = 'rabbitmq';

export function rabbitmqConf(folder: string, ports: Ports, { tls, config }: StartOptions): string {
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
    ...(tls === true ? tlsLines : []),
    ...configLines(config, ' = '),
    '',
  ].join('\n');
}

function environment(folder: string, ports: Ports): Record<string, string> {
  return {
    HOME: folder,
    LANG: 'C.UTF-8',
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    ERL_EPMD_ADDRESS: '127.0.0.1',
    ERL_EPMD_PORT: String(ports['epmd']),
    RABBITMQ_NODENAME: 'duobus@localhost',
    RABBITMQ_DIST_PORT: String(ports['dist']),
    RABBITMQ_CONFIG_FILE: `${folder}/rabbitmq.conf`,
    RABBITMQ_MNESIA_BASE: `${folder}/data`,
    RABBITMQ_LOG_BASE: `${folder}/log`,
    RABBITMQ_PID_FILE: `${folder}/rabbitmq.pid`,
    RABBITMQ_ENABLED_PLUGINS_FILE: `${folder}/enabled_plugins`,
    // the two schedulers of a test machine are shared: do not spin while idle
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '+sbwt none +sbwtdcpu none +sbwtdio none',
  };
}

function give(folder: string, owner: { readonly uid: number; readonly gid: number }): void {
  chownSync(folder, owner.uid, owner.gid);
  for (const entry of readdirSync(folder)) {
    const path = join(folder, entry);
    if (statSync(path).isDirectory()) give(path, owner);
    else chownSync(path, owner.uid, owner.gid);
  }
}

const accepts = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });

export async function rabbitmqHandshake(url: string): Promise<string> {
  const model = await connectAmqp(url, { timeout: 5_000 });
  model.on('error', () => undefined);
  const channel = await model.createChannel();
  await channel.close();
  await model.close();
  return model.connection.serverProperties['version'];
}

export function rabbitmqServer(
  home: RabbitmqHome,
  folder: string,
  ports: Ports,
  options: StartOptions,
): Server {
  const data = join(folder, 'home');
  const seen = 'root' in home ? mountPoint : data;
  const env = environment(seen, ports);
  const command = (
    program: string,
    args: readonly string[],
  ): readonly [string, readonly string[]] => {
    if ('root' in home) {
      const folders = ['/usr/lib/rabbitmq/bin', '/usr/bin'];
      const path = program === 'epmd' ? `${folders[1]}/epmd` : `${folders[0]}/${program}`;
      return insideRoot(home.root, data, user, env, [path, ...args]);
    }
    return [program === 'epmd' ? (onPath('epmd') ?? 'epmd') : join(home.bin, program), args];
  };
  const settings =
    'root' in home ? {} : { env: { ...process.env, ...env, PATH: process.env['PATH'] } };
  const start = (log: string, program: string, ...args: string[]): ProcessId =>
    launch(...command(program, args), { logFile: join(folder, log), ...settings });

  return {
    endpoints: {
      plain: `amqp://guest:guest@127.0.0.1:${ports['amqp']}`,
      ...(options.tls === true ? { tls: `amqps://guest:guest@127.0.0.1:${ports['amqps']}` } : {}),
    },
    ca: options.tls === true ? join(folder, 'tls/ca.pem') : undefined,
    async prepare() {
      for (const name of ['data', 'log', 'tls']) ensureFolder(join(data, name));
      if (options.tls === true) {
        await makeCertificates(join(folder, 'tls'));
        cpSync(join(folder, 'tls'), join(data, 'tls'), { recursive: true });
      }
      writeFileSync(join(data, 'rabbitmq.conf'), rabbitmqConf(seen, ports, options));
      writeFileSync(join(data, 'enabled_plugins'), '[].\n');
      writeFileSync(join(data, '.erlang.cookie'), `duobus-${process.pid}-${Date.now()}`);
      chmodSync(join(data, '.erlang.cookie'), 0o400);
      const owner = 'root' in home ? userIn(home.root, user) : home.user;
      if (owner !== undefined) give(data, owner);
    },
    async launch() {
      // started by us, not by Erlang as a daemon: so its pid is known, and it can be stopped
      const epmd = start('epmd.log', 'epmd');
      await until(() => accepts(ports['epmd'] ?? 0), { timeoutMs: 20_000, what: 'epmd' });
      return [start('server.log', 'rabbitmq-server'), epmd];
    },
    async handshake() {
      // the TLS listener is the last to open
      if (options.tls === true && !(await accepts(ports['amqps'] ?? 0))) {
        throw new Error('the TLS listener is not open yet');
      }
      return rabbitmqHandshake(`amqp://guest:guest@127.0.0.1:${ports['amqp']}`);
    },
    ctl: (args) => run(...command('rabbitmqctl', args), settings),
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
