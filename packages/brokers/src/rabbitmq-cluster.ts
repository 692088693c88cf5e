import { join } from 'node:path';
import { refuse } from './options.ts';
import { ensureFolder } from './paths.ts';
import { nodePorts, type Ports, portsOf } from './ports.ts';
import {
  launchEpmd,
  rabbitmqHandshake,
  rabbitmqPorts,
  rabbitmqPrograms,
  rabbitmqServer,
  rabbitmqWorkshop,
} from './rabbitmq.ts';
import type { Assembly, Site } from './server.ts';

const names = ['node1', 'node2', 'node3'] as const;
const nodeName = (name: string): string => `${name}@localhost`;

/** Every node knows the others from its configuration, and they find together as they start. */
const discovery: readonly string[] = [
  'cluster_formation.peer_discovery_backend = classic_config',
  ...names.map(
    (name, index) => `cluster_formation.classic_config.nodes.${index + 1} = ${nodeName(name)}`,
  ),
];

/** How long the messages of consumers on a node that is lost wait for it; 60 s by default, since 4.3. Others go on. */
const sooner = (line: string): readonly string[] =>
  line === '4.3' ? ['consumer_disconnected_timeout = 5000'] : [];

/** Three nodes with one cookie and one port mapper, which outlives each of them. */
export async function assembleRabbitmqCluster(site: Site): Promise<Assembly> {
  refuse('rabbitmq-cluster', site.options, 'tls');
  const programs = await rabbitmqPrograms(site);
  const all = await site.allocate([...nodePorts(names, rabbitmqPorts), 'epmd']);
  const cookie = `duobus-${process.pid}-${Date.now()}`;
  const ofNode = (name: string): Ports => ({ ...portsOf(all, name), epmd: all['epmd'] ?? 0 });
  const config = [...discovery, ...sooner(site.spec.version)];
  const nodes = names.map((name) => {
    const membership = { node: nodeName(name), cookie, config, epmdElsewhere: true };
    const folder = join(site.folder, name);
    return {
      name,
      server: rabbitmqServer(programs, folder, ofNode(name), site.options, membership),
    };
  });
  const [first] = nodes.map(({ server }) => server);
  if (first === undefined) throw new Error('a cluster without nodes');
  const others = names.slice(1).map((name) => `,127.0.0.1:${all[`${name}.amqp`]}`);
  const url = `${first.endpoints.plain}${others.join('')}`;
  return {
    endpoints: { plain: url },
    ca: undefined,
    nodes,
    async launchHelper() {
      const folder = ensureFolder(join(site.folder, 'epmd'));
      ensureFolder(join(folder, 'home'));
      const shop = rabbitmqWorkshop(programs, folder, ofNode('node1'));
      shop.give();
      return [await launchEpmd(shop, join(folder, 'epmd.log'), all['epmd'] ?? 0)];
    },
    async handshake() {
      const status = await first.ctl(['cluster_status', '--formatter', 'json']);
      const { running_nodes: running } = JSON.parse(status) as { running_nodes: string[] };
      if (running.length < nodes.length) throw new Error(`running: ${running.join(', ')}`);
      return rabbitmqHandshake(url);
    },
  };
}
