import { cpSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { makeCertificates } from './certificates.ts';
import { debianRoot } from './debian-root.ts';
import { redisUsers, type StartOptions } from './options.ts';
import { ensureFolder } from './paths.ts';
import type { Ports } from './ports.ts';
import { type Programs, workshop } from './programs.ts';
import { redisConf, redisEndpoints, redisPorts } from './redis-conf.ts';
import { redisHandshake } from './redis-handshake.ts';
import { alone, type Assembly, type Server, type Site } from './server.ts';
import { onPath, run } from './shell.ts';

/** The two have the same programs by different names. */
type Family = 'redis' | 'valkey';

export interface RedisPrograms {
  readonly family: Family;
  readonly where: Programs;
}

/** A server of that configuration, which `conf` writes for the folder as the server sees it. */
export function redisProcess(
  { family, where }: RedisPrograms,
  folder: string,
  about: Pick<Server, 'endpoints' | 'ca'> & {
    conf(seen: string): string;
    readonly serverArguments?: readonly string[];
    readonly cliArguments: readonly string[];
    handshake(): Promise<string>;
  },
): Server {
  const data = join(folder, 'home');
  const logFile = join(folder, 'server.log');
  const shop = workshop(where, data);
  const { endpoints, ca, handshake } = about;
  return {
    endpoints,
    ca,
    logFile,
    async prepare() {
      ensureFolder(join(data, 'data'));
      if (ca !== undefined) {
        await makeCertificates(join(folder, 'tls'));
        cpSync(join(folder, 'tls'), join(data, 'tls'), { recursive: true });
      }
      writeFileSync(join(data, 'redis.conf'), about.conf(shop.seen));
      shop.give(); // sentinels, and CONFIG REWRITE, write the configuration again
    },
    async launch() {
      const args = [`${shop.seen}/redis.conf`, ...(about.serverArguments ?? [])];
      return [shop.launch(`${family}-server`, args, { logFile, cwd: folder })];
    },
    handshake,
    ctl: (args) => shop.run(`${family}-cli`, ['-e', ...about.cliArguments, ...args]),
  };
}

export function redisServer(
  programs: RedisPrograms,
  folder: string,
  ports: Ports,
  options: StartOptions,
  role: readonly string[] = [],
): Server {
  const [{ username, password }] = redisUsers;
  const login = ['--no-auth-warning', '--user', username, '--pass', password];
  const endpoints = redisEndpoints(ports, options);
  return redisProcess(programs, folder, {
    endpoints,
    ca: options.tls === true ? join(folder, 'tls/ca.pem') : undefined,
    conf: (seen) => redisConf(seen, ports, options, role),
    cliArguments: ['-p', String(ports['plain']), ...(options.sasl === true ? login : [])],
    // the default user may have been switched off
    handshake: () => redisHandshake(endpoints.saslPlain ?? endpoints.plain),
  });
}

/** The version of the server of that family on PATH, if there is one. */
export async function redisOnPath(family: Family): Promise<string | undefined> {
  const server = onPath(`${family}-server`);
  if (server === undefined) return undefined;
  const said = await run(server, ['--version']).catch(() => '');
  return / v=([\d.]+)/.exec(said)?.[1];
}

export async function redisPrograms({ spec, recipe }: Site): Promise<RedisPrograms> {
  const family = spec.product.startsWith('valkey') ? 'valkey' : 'redis';
  if (recipe === 'fetched') {
    const root = await debianRoot(spec.source, `${family}-server`);
    return { family, where: { root, user: family } };
  }
  const server = onPath(`${family}-server`);
  if (server === undefined) throw new Error(`${family}-server has left PATH`);
  return { family, where: { bin: dirname(server) } };
}

export async function assembleRedis(site: Site): Promise<Assembly> {
  const programs = await redisPrograms(site);
  const ports = await site.allocate(redisPorts);
  return alone(redisServer(programs, site.folder, ports, site.options));
}
