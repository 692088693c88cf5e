import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { debianRoot } from './debian-root.ts';
import { refuse, type StartOptions } from './options.ts';
import { ensureFolder } from './paths.ts';
import { postgresHandshake } from './postgres-handshake.ts';
import { type Programs, workshop } from './programs.ts';
import { alone, type Assembly, type Server, type Site } from './server.ts';
import { onPath, run } from './shell.ts';

/** Made-up: the server lives on 127.0.0.1 only. User, password and database have the one name. */
const user = 'duobus';

/** In the words of postgresql.conf every value may be a quoted one. */
const setting = ([key, value]: readonly [string, string | number | boolean]): string =>
  `${key} = '${String(value).replaceAll("'", "''")}'`;

export function postgresConf(
  folder: string,
  port: number | undefined,
  { config = {} }: StartOptions,
): string {
  const settings = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: folder,
    fsync: 'on',
    full_page_writes: 'on',
    synchronous_commit: 'on',
    max_connections: 100,
    shared_buffers: '64MB',
    ...config,
  };
  return [...Object.entries(settings).map(setting), ''].join('\n');
}

/** The password goes over the wire as it is, which every client can do. */
const accessRules = `local all all trust
host all all 127.0.0.1/32 password
`;

function postgresServer(
  programs: Programs,
  folder: string,
  port: number | undefined,
  options: StartOptions,
): Server {
  const home = join(folder, 'home');
  const logFile = join(folder, 'server.log');
  const shop = workshop(programs, home);
  const data = `${shop.seen}/data`;
  const urlOf = (database: string): string =>
    `postgres://${user}:${user}@127.0.0.1:${port}/${database}`;
  return {
    endpoints: { plain: urlOf(user) },
    ca: undefined,
    logFile,
    async prepare() {
      ensureFolder(home);
      writeFileSync(join(home, 'password'), `${user}\n`);
      shop.give();
      const login = ['--username', user, '--pwfile', `${shop.seen}/password`, '--auth', 'password'];
      const text = ['--encoding', 'UTF8', '--locale', 'C'];
      await shop.run('initdb', ['--pgdata', data, ...login, ...text, '--no-sync']);
      writeFileSync(join(home, 'data/postgresql.conf'), postgresConf(shop.seen, port, options));
      writeFileSync(join(home, 'data/pg_hba.conf'), accessRules);
    },
    async launch() {
      // on SIGTERM it would wait for its clients to leave
      return [shop.launch('postgres', ['-D', data], { logFile, cwd: folder, endsOn: 'SIGINT' })];
    },
    // the database of our own is made once the server runs
    handshake: () => postgresHandshake(urlOf('postgres')),
    ctl: (args) => {
      const connection = ['-h', shop.seen, '-p', String(port), '-U', user];
      return shop.run('psql', ['-X', '-A', '-t', '-v', 'ON_ERROR_STOP=1', ...connection, ...args]);
    },
  };
}

/** The PostgreSQL on PATH; it does not run as root, who takes the one from Debian instead. */
export async function postgresOnPath(): Promise<{ bin: string; version: string } | undefined> {
  const server = onPath('postgres');
  if (server === undefined || process.getuid?.() === 0) return undefined;
  const said = await run(server, ['--version']).catch(() => '');
  const version = /\) (\d[\d.]*)/.exec(said)?.[1];
  return version === undefined ? undefined : { bin: dirname(server), version };
}

async function postgresPrograms({ spec, recipe }: Site): Promise<Programs> {
  if (recipe === 'fetched') {
    const root = await debianRoot(spec.source, `postgresql-${spec.version}`);
    return { root, user: 'postgres', bin: `/usr/lib/postgresql/${spec.version}/bin` };
  }
  const found = await postgresOnPath();
  if (found === undefined) throw new Error('postgres has left PATH');
  return { bin: found.bin };
}

export async function assemblePostgres(site: Site): Promise<Assembly> {
  refuse('postgres', site.options, 'tls', 'sasl');
  const programs = await postgresPrograms(site);
  const { port } = await site.allocate(['port']);
  const server = postgresServer(programs, site.folder, port, site.options);
  return {
    ...alone(server),
    form: async () => {
      await server.ctl(['-d', 'postgres', '-c', `create database ${user}`]);
    },
    handshake: () => postgresHandshake(server.endpoints.plain),
  };
}
