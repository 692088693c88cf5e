import { join } from 'node:path';
import { type Broker, type BrokerNode, openBroker } from './broker.ts';
import type { ClusterOptions } from './clusters.ts';
import { nodePorts, type Ports, portsOf } from './ports.ts';
import { redisPrograms, redisProcess, type RedisPrograms, redisServer } from './redis.ts';
import { masterName, redisPorts, sentinelConf, type SentinelOptions } from './redis-conf.ts';
import { redisHandshake } from './redis-handshake.ts';
import { field, type Reply, resp } from './resp.ts';
import type { Assembly, Node, Site } from './server.ts';
import { until } from './until.ts';

const waiting = { timeoutMs: 60_000 } as const;

/** A master and its replicas; a replica is `replicaof` from its configuration on. */
function replicated(
  site: Site,
  programs: RedisPrograms,
  all: Ports,
  names: readonly string[],
): readonly Node[] {
  const [master = ''] = names;
  return names.map((name) => {
    const role = name === master ? [] : [`replicaof 127.0.0.1 ${portsOf(all, master)['plain']}`];
    const folder = join(site.folder, name);
    return { name, server: redisServer(programs, folder, portsOf(all, name), site.options, role) };
  });
}

const urlOf = ({ server }: Node): string => server.endpoints.plain;

async function replication(url: string, name: string): Promise<string | undefined> {
  const [info] = await resp(url, ['INFO', 'replication']);
  return field(info, name);
}

/** The first synchronisation has ended; the servers may be on their way up still. */
async function linked(replicas: readonly Node[]): Promise<void> {
  for (const replica of replicas) {
    const up = (): Promise<boolean> =>
      replication(urlOf(replica), 'master_link_status').then(
        (status) => status === 'up',
        () => false,
      );
    await until(up, { ...waiting, what: `${replica.name} to follow its master` });
  }
}

export interface RedisReplicaOptions extends ClusterOptions {
  /** How many replicas. Default 1. */
  readonly replicas?: number;
}

export interface RedisReplicas extends Broker {
  readonly master: BrokerNode;
  readonly replicas: readonly BrokerNode[];
  /**
   * Makes a replica a master for good, which the other replicas that run then follow; one that is down goes on with the
   * master of before. That one is left as it is: if it runs, or is started again, it is a master beside the new one
   * until `ctl('replicaof', host, port)`.
   */
  promote(replica: BrokerNode): Promise<void>;
}

/**
 * A Redis master and replicas of it, without anybody who would promote one: {@link RedisReplicas.promote} does.
 * Replication is asynchronous: what a killed master had acknowledged need not be on a replica, unless `WAIT` said so.
 */
export async function startRedisReplica({
  version,
  replicas: count = 1,
  ...options
}: RedisReplicaOptions = {}): Promise<RedisReplicas> {
  const names = ['master', ...Array.from({ length: count }, (_, index) => `replica${index + 1}`)];
  const assemble = async (site: Site): Promise<Assembly> => {
    const programs = await redisPrograms(site);
    const all = await site.allocate(nodePorts(names, redisPorts));
    const nodes = replicated(site, programs, all, names);
    const [master, ...replicas] = nodes as readonly [Node, ...Node[]];
    const { endpoints, ca } = master.server;
    return { endpoints, ca, nodes, form: () => linked(replicas) };
  };
  const broker = await openBroker(version ?? 'redis', options, assemble);
  const [master, ...replicas] = broker.nodes as readonly [BrokerNode, ...BrokerNode[]];
  return {
    ...broker,
    master,
    replicas,
    async promote(replica) {
      if (!replicas.includes(replica))
        throw new TypeError(`${replica.name} is not a replica of it`);
      // written down, so that it is the same after a restart
      const rewrite = ['CONFIG', 'REWRITE'];
      await resp(replica.url, ['REPLICAOF', 'NO', 'ONE'], rewrite);
      const { hostname, port } = new URL(replica.url);
      const follow = ['REPLICAOF', hostname, port];
      const others = replicas.filter((other) => other !== replica);
      await Promise.allSettled(others.map(({ url }) => resp(url, follow, rewrite)));
    },
  };
}

/** One of the flat lists of names and values that sentinels answer with. */
function pairs(reply: Reply | undefined): ReadonlyMap<string, string> {
  const flat = Array.isArray(reply) ? reply.map(String) : [];
  return new Map(
    flat.flatMap((name, index) => (index % 2 === 0 ? [[name, flat[index + 1] ?? '']] : [])),
  );
}

export interface RedisSentinelOptions extends ClusterOptions, SentinelOptions {}

export interface RedisSentinel extends Broker {
  /** The two servers in their first roles, which change places with a failover. */
  readonly master: BrokerNode;
  readonly replica: BrokerNode;
  readonly sentinels: readonly BrokerNode[];
  /** Where clients ask for the master, in the words of ioredis' option `sentinels`. */
  readonly addresses: readonly { readonly host: string; readonly port: number }[];
  /** The name they ask for. */
  readonly masterName: string;
  /** The server that most sentinels take for the master at the moment. */
  currentMaster(): Promise<BrokerNode>;
}

const sentinelNames = ['sentinel1', 'sentinel2', 'sentinel3'] as const;

function sentinelServer(
  site: Site,
  programs: RedisPrograms,
  all: Ports,
  name: string,
  options: SentinelOptions,
): Node {
  const { plain: port } = portsOf(all, name);
  const endpoints = { plain: `redis://127.0.0.1:${port}` };
  const server = redisProcess(programs, join(site.folder, name), {
    endpoints,
    ca: undefined,
    conf: (seen) => sentinelConf(seen, port, portsOf(all, 'master')['plain'], options),
    serverArguments: ['--sentinel'],
    cliArguments: ['-p', String(port)],
    handshake: () => redisHandshake(endpoints.plain),
  });
  return { name, server };
}

/** A sentinel asks its master for replicas once in ten seconds: let there be one when it asks first. */
const after = (introduced: () => Promise<void>, { name, server }: Node): Node => ({
  name,
  server: {
    ...server,
    async launch() {
      await introduced();
      return server.launch();
    },
  },
});

/** A sentinel can act once it knows the replica and its colleagues, which takes a few seconds. */
async function acquainted(sentinels: readonly Node[]): Promise<void> {
  for (const sentinel of sentinels) {
    const knows = async (): Promise<boolean> => {
      const [reply] = await resp(urlOf(sentinel), ['SENTINEL', 'MASTER', masterName]);
      const about = pairs(reply);
      const others = Number(about.get('num-other-sentinels'));
      return (
        about.get('flags') === 'master' &&
        about.get('num-slaves') === '1' &&
        others === sentinels.length - 1
      );
    };
    await until(knows, { ...waiting, what: `${sentinel.name} to know the others` });
  }
}

/** What that sentinel says, if it can be asked. */
async function masterPortBy(sentinel: BrokerNode): Promise<string | undefined> {
  const asked = resp(sentinel.url, ['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', masterName]);
  const [address] = await asked.catch(() => []);
  return Array.isArray(address) ? String(address[1]) : undefined;
}

/**
 * A Redis master, a replica, and three sentinels that promote it: 1 s after the master was killed they take it to be down,
 * and another second or two later the replica is master. A master that comes back becomes a replica.
 */
export async function startRedisSentinel({
  version,
  downAfterMs,
  quorum,
  ...options
}: RedisSentinelOptions = {}): Promise<RedisSentinel> {
  const servers = ['master', 'replica'];
  const sentinel: SentinelOptions = {
    ...(downAfterMs === undefined ? {} : { downAfterMs }),
    ...(quorum === undefined ? {} : { quorum }),
  };
  const assemble = async (site: Site): Promise<Assembly> => {
    const programs = await redisPrograms(site);
    const all = await site.allocate(nodePorts([...servers, ...sentinelNames], redisPorts));
    const [master, replica] = replicated(site, programs, all, servers) as readonly [Node, Node];
    let introduced = false;
    const introduce = async (): Promise<void> => {
      if (!introduced) await linked([replica]);
      introduced = true;
    };
    const sentinels = sentinelNames.map((name) =>
      after(introduce, sentinelServer(site, programs, all, name, sentinel)),
    );
    const { endpoints, ca } = master.server;
    const form = (): Promise<void> => acquainted(sentinels);
    return { endpoints, ca, nodes: [master, replica, ...sentinels], form };
  };
  const broker = await openBroker(version ?? 'redis', options, assemble);
  const [master, replica, ...sentinels] = broker.nodes as readonly [
    BrokerNode,
    BrokerNode,
    ...BrokerNode[],
  ];
  return {
    ...broker,
    master,
    replica,
    sentinels,
    addresses: sentinels.map(({ url }) => ({
      host: new URL(url).hostname,
      port: Number(new URL(url).port),
    })),
    masterName,
    async currentMaster() {
      const said = await Promise.all(sentinels.map(masterPortBy));
      const votes = (node: BrokerNode): number =>
        said.filter((port) => port === new URL(node.url).port).length;
      return votes(replica) > votes(master) ? replica : master;
    },
  };
}
