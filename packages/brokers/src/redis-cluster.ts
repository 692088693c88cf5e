import { join } from 'node:path';
import { refuse } from './options.ts';
import { nodePorts, portsOf } from './ports.ts';
import { redisServer, redisPrograms } from './redis.ts';
import { redisPorts } from './redis-conf.ts';
import { redisHandshake } from './redis-handshake.ts';
import { field, type Reply, resp } from './resp.ts';
import type { Assembly, Site } from './server.ts';
import { until } from './until.ts';

const masters = 3;
const slots = 16_384;

/** First and last slot of the master of that index. */
export function slotsOf(index: number): readonly [number, number] {
  const first = (at: number): number => Math.round((at * slots) / masters);
  return [first(index), first(index + 1) - 1];
}

interface ClusterNode {
  readonly url: string;
  readonly port: number;
  readonly bus: number;
}

async function ask(url: string, ...command: readonly string[]): Promise<Reply | undefined> {
  const [reply] = await resp(url, command);
  return reply;
}

/** Gives every master its slots and introduces all to the first; node N+3 becomes a replica of node N. */
async function form(nodes: readonly ClusterNode[]): Promise<void> {
  const [first] = nodes;
  if (first === undefined) return;
  for (const [index, { url, port, bus }] of nodes.entries()) {
    // epochs that differ from the start need not be agreed upon
    await ask(url, 'CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1));
    if (index < masters) await ask(url, 'CLUSTER', 'ADDSLOTSRANGE', ...slotsOf(index).map(String));
    if (index > 0) await ask(first.url, 'CLUSTER', 'MEET', '127.0.0.1', String(port), String(bus));
  }
  for (const { url } of nodes) {
    await until(async () => (await knownTo(url)) === nodes.length, {
      timeoutMs: 60_000,
      what: 'the nodes to meet',
    });
  }
  for (const [index, { url }] of nodes.entries()) {
    const master = nodes[index % masters];
    if (index < masters || master === undefined) continue;
    const id = String(await ask(master.url, 'CLUSTER', 'MYID'));
    await ask(url, 'CLUSTER', 'REPLICATE', id);
  }
}

async function knownTo(url: string): Promise<number> {
  return Number(field(await ask(url, 'CLUSTER', 'INFO'), 'cluster_known_nodes'));
}

/** The whole is there when every node says so: all slots are served, and every replica has its master. */
async function whole(nodes: readonly ClusterNode[]): Promise<void> {
  for (const { url } of nodes) {
    await redisHandshake(`${url}?cluster=true`);
    const replication = await ask(url, 'INFO', 'replication');
    const link = field(replication, 'master_link_status');
    if (link !== undefined && link !== 'up') throw new Error(`a replica's link is ${link}`);
  }
}

/** Three masters, and as many replicas of each as asked for. Nodes 1 to 3 begin as masters. */
export async function assembleRedisCluster(site: Site, replicas = 0): Promise<Assembly> {
  const { options } = site;
  refuse(site.spec.product, options, 'tls');
  const programs = await redisPrograms(site);
  const names = Array.from({ length: masters * (1 + replicas) }, (_, index) => `node${index + 1}`);
  const all = await site.allocate(nodePorts(names, redisPorts));
  const nodes = names.map((name) => {
    const ports = portsOf(all, name);
    const role = [
      'cluster-enabled yes',
      'cluster-config-file nodes.conf',
      `cluster-port ${ports['bus']}`,
      'cluster-node-timeout 2000',
    ];
    const server = redisServer(programs, join(site.folder, name), ports, options, role);
    return { name, ports, server };
  });
  const members = nodes.map(({ server: { endpoints }, ports }) => ({
    url: endpoints.saslPlain ?? endpoints.plain,
    port: ports['plain'] ?? 0,
    bus: ports['bus'] ?? 0,
  }));
  const [first] = nodes;
  if (first === undefined) throw new Error('a cluster without nodes');
  const { plain, saslPlain } = first.server.endpoints;
  return {
    endpoints: {
      plain: `${plain}?cluster=true`,
      ...(saslPlain === undefined ? {} : { saslPlain: `${saslPlain}?cluster=true` }),
    },
    ca: undefined,
    nodes,
    form: () => form(members),
    async handshake() {
      await whole(members);
      return first.server.handshake();
    },
  };
}
