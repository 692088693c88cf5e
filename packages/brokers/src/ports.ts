import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { withLock } from './lock.ts';
import { ensureFolder, home, runFolder } from './paths.ts';

export type Ports = Readonly<Record<string, number>>;

/**
 * Below the range the kernel takes outgoing ports from: a broker that is down for a restart test
 * must find its port free when it comes back.
 */
export const portRange = { first: 20_000, last: 31_999 } as const;

export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () =>
      server.close(() => resolve(true)),
    );
  });
}

/** As many ports as asked for, neither taken nor in use, beginning the search at `from`. */
export async function pickPorts(
  count: number,
  taken: ReadonlySet<number>,
  from: number,
  free: (port: number) => Promise<boolean> = isFree,
): Promise<readonly number[]> {
  const size = portRange.last - portRange.first + 1;
  const picked: number[] = [];
  for (let step = 0; step < size && picked.length < count; step += 1) {
    const port = portRange.first + ((from - portRange.first + step) % size);
    if (!taken.has(port) && (await free(port))) picked.push(port);
  }
  if (picked.length < count) throw new Error(`no ${count} free ports on 127.0.0.1`);
  return picked;
}

function takenPorts(): ReadonlySet<number> {
  const run = ensureFolder(join(home, 'run'));
  const files = readdirSync(run).map((name) => join(run, name, 'ports.json'));
  return new Set(
    files
      .filter((file) => existsSync(file))
      .flatMap((file) => Object.values(JSON.parse(readFileSync(file, 'utf8')) as Ports)),
  );
}

/** Gives an instance its ports, for as long as its folder exists. */
export function allocatePorts(instance: string, names: readonly string[]): Promise<Ports> {
  return withLock('ports', async () => {
    const start = portRange.first + Math.floor(Math.random() * 10_000);
    const picked = await pickPorts(names.length, takenPorts(), start);
    const ports = Object.fromEntries(names.map((name, index) => [name, picked[index] ?? 0]));
    writeFileSync(join(ensureFolder(runFolder(instance)), 'ports.json'), JSON.stringify(ports));
    return ports;
  });
}

export const accepts = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });

/** Names for ports of several nodes, to be had back with {@link portsOf}. */
export const nodePorts = (nodes: readonly string[], names: readonly string[]): readonly string[] =>
  nodes.flatMap((node) => names.map((name) => `${node}.${name}`));

/** Those of one node, by their own names. */
export const portsOf = (ports: Ports, node: string): Ports =>
  Object.fromEntries(
    Object.entries(ports)
      .filter(([name]) => name.startsWith(`${node}.`))
      .map(([name, port]) => [name.slice(node.length + 1), port]),
  );
