import { join } from 'node:path';
import { kafkaLibraries, kafkaServer, newClusterId } from './kafka.ts';
import { kafkaHandshake, kafkaReady } from './kafka-handshake.ts';
import { kafkaPorts } from './kafka-properties.ts';
import { refuse } from './options.ts';
import { nodePorts, portsOf } from './ports.ts';
import type { Assembly, Site } from './server.ts';
import { kafkaVersion } from './spec.ts';

const names = ['node1', 'node2', 'node3'] as const;

/** Three nodes, each broker and controller; node N has the id N. */
export async function assembleKafkaCluster(site: Site): Promise<Assembly> {
  refuse('kafka-cluster', site.options, 'tls', 'sasl');
  const libraries = await kafkaLibraries(site);
  const ports = await site.allocate(nodePorts(names, kafkaPorts));
  const clusterId = newClusterId();
  const controllers = names.map((name) => ports[`${name}.controller`] ?? 0);
  const nodes = names.map((name, index) => ({
    name,
    server: kafkaServer(libraries, join(site.folder, name), portsOf(ports, name), site.options, {
      id: index + 1,
      controllers,
      clusterId,
    }),
  }));
  const hosts = names.map((name) => `127.0.0.1:${ports[`${name}.plain`]}`);
  const url = `kafka://${hosts.join(',')}`;
  return {
    endpoints: { plain: url },
    ca: undefined,
    nodes,
    // the last to end asks a quorum that is gone for leave, for minutes
    graceMs: 10_000,
    async handshake() {
      await kafkaHandshake(
        url,
        names.map((_, index) => index + 1),
      );
      await kafkaReady(url);
      return kafkaVersion;
    },
  };
}
