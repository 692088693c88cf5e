import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ensurePackage } from './apt.ts';
import { awsHandshake } from './aws-handshake.ts';
import { withLock } from './lock.ts';
import { refuse, type StartOptions } from './options.ts';
import { cache, ensureFolder } from './paths.ts';
import { launch } from './processes.ts';
import { alone, type Assembly, type Server, type Site } from './server.ts';
import { announce, onPath, run, succeeds } from './shell.ts';
import { ministackVersion } from './spec.ts';

/** It runs on 3.10 or newer, and Debian's python3 has no venv of its own. */
const usable = 'import ensurepip, sys; sys.exit(sys.version_info < (3, 10))';

/** The interpreter of an environment of its own with the emulator in it, by pip's own settings. */
async function fetchMinistack(): Promise<string> {
  const folder = cache(`ministack-${ministackVersion}`);
  const python = join(folder, 'bin/python');
  if (existsSync(folder)) return python;
  return withLock('ministack', async () => {
    if (existsSync(folder)) return python;
    await ensurePackage('python3 with venv', 'python3-venv', () =>
      succeeds('python3', ['-c', usable], 60_000),
    );
    const building = `${folder}.building`;
    rmSync(building, { recursive: true, force: true });
    ensureFolder(dirname(folder));
    announce(`pip: ministack ${ministackVersion} into .brokers/cache (about 20 s, 90 MB)`);
    await run('python3', ['-m', 'venv', building]);
    const install = ['-m', 'pip', 'install', '--quiet', `ministack==${ministackVersion}`];
    await run(join(building, 'bin/python'), install);
    renameSync(building, folder);
    return python;
  });
}

/** The one on PATH: its script says which interpreter has it. */
export async function ministackOnPath(): Promise<{ python: string; version: string } | undefined> {
  const script = onPath('ministack');
  if (script === undefined) return undefined;
  const [, python] = /^#!(\S+)\n/.exec(readFileSync(script, 'utf8')) ?? [];
  if (python === undefined) return undefined;
  const ask = "import importlib.metadata as m; print(m.version('ministack'))";
  const version = await run(python, ['-c', ask]).catch(() => '');
  return { python, version: version.trim() };
}

/**
 * Its environment. Buckets are written as they change, all else as it ends: after a SIGKILL queues, topics and messages
 * are as they were at the last graceful end, or not there.
 */
export function ministackEnvironment(
  folder: string,
  port: number | undefined,
  config: StartOptions['config'] = {},
): Readonly<Record<string, string>> {
  const ours = {
    BIND_HOST: '127.0.0.1',
    GATEWAY_PORT: port,
    MINISTACK_REGION: 'us-east-1',
    SERVICES: 's3,sqs,sns',
    LOG_LEVEL: 'WARNING',
    PERSIST_STATE: 1,
    STATE_DIR: join(folder, 'data/state'),
    S3_PERSIST: 1,
    S3_DATA_DIR: join(folder, 'data/s3'),
    ...config,
  };
  return Object.fromEntries(Object.entries(ours).map(([key, value]) => [key, String(value)]));
}

function ministackServer(
  python: string,
  folder: string,
  port: number | undefined,
  options: StartOptions,
): Server {
  const logFile = join(folder, 'server.log');
  const environment = ministackEnvironment(folder, port, options.config);
  const plain = `sns+sqs://test:test@127.0.0.1:${port}`;
  return {
    endpoints: { plain },
    ca: undefined,
    logFile,
    async prepare() {
      for (const name of ['state', 's3', 'tmp']) ensureFolder(join(folder, 'data', name));
    },
    async launch() {
      const env = { ...process.env, TMPDIR: join(folder, 'data/tmp'), ...environment };
      return [launch(python, ['-m', 'ministack'], { logFile, cwd: folder, env })];
    },
    handshake: () => awsHandshake(plain),
    async ctl([verb = '']) {
      const url = `http://127.0.0.1:${port}/_ministack/${verb}`;
      const response = await fetch(url, { method: 'POST' });
      const text = await response.text();
      if (!response.ok) throw new Error(`${verb}: ${response.status} ${text}`);
      return text;
    },
  };
}

export async function assembleMinistack(site: Site): Promise<Assembly> {
  refuse('sns-sqs', site.options, 'tls', 'sasl');
  const python =
    site.recipe === 'path' ? (await ministackOnPath())?.python : await fetchMinistack();
  if (python === undefined) throw new Error('ministack has left PATH');
  const { port } = await site.allocate(['port']);
  return alone(ministackServer(python, site.folder, port, site.options));
}
