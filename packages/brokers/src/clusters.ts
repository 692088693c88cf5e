import { type Broker, openBroker } from './broker.ts';
import type { StartOptions } from './options.ts';
import { assembleRedisCluster } from './redis-cluster.ts';

/** What the nodes of a cluster started for one test may differ in. */
export interface ClusterOptions extends Pick<StartOptions, 'config'> {
  /** The version, e.g. `valkey@9.1`, `rabbitmq@4.0`. Default: what the bare name means. */
  readonly version?: string;
}

/** `valkey@9.1` is the server that `valkey-cluster@9.1` is made of. */
function clusterName(kind: string, version: string | undefined): string {
  const [product, line] = (version ?? kind).split('@', 2);
  return line === undefined ? `${product}-cluster` : `${product}-cluster@${line}`;
}

/**
 * Three Kafka nodes (`nodes[0]` has the id 1), each broker and controller. Topics have three copies by default, of which
 * two must have a record (`min.insync.replicas=2`): one node may be killed and everything goes on, with two gone nothing
 * is written. A killed node is a member again within `broker.session.timeout.ms` (6 s) of its start.
 *
 * Which node leads a partition a Kafka client tells: `admin.fetchTopicMetadata({ topics })`, `leader` of a partition is
 * the id of `nodes[leader - 1]`.
 */
export const startKafkaCluster = (options: Omit<ClusterOptions, 'version'> = {}): Promise<Broker> =>
  openBroker('kafka-cluster', options);

/**
 * Three RabbitMQ nodes, `nodeN@localhost` for `nodes[N - 1]`. `url` names all three, as `amqp://host,host,host`, which
 * amqplib does not understand: give it that of a node. Quorum queues and streams have a copy on each; classic queues are
 * lost with the node they were declared on, until it is back. All nodes down at once come back with
 * {@link Broker.start}: one alone waits for a majority. What consumers on a lost node hold is free after 5 s
 * (`consumer_disconnected_timeout`).
 *
 * Which node leads a queue or a stream `ctl('list_queues', 'name', 'leader')` tells.
 */
export const startRabbitmqCluster = ({
  version,
  ...options
}: ClusterOptions = {}): Promise<Broker> => openBroker(clusterName('rabbitmq', version), options);

export interface RedisClusterOptions extends ClusterOptions {
  /** Replicas of each master. Default 0. */
  readonly replicas?: number;
}

/**
 * A Redis Cluster: three masters (`nodes[0]` to `nodes[2]`, with a third of the 16,384 slots each) and their replicas
 * (`nodes[N + 3]` is the first of `nodes[N]`). `url` is the first node's, with `?cluster=true`. Nodes take each other for
 * dead after 2 s (`cluster-node-timeout`), and then a replica takes over.
 */
export function startRedisCluster({
  version,
  replicas = 0,
  ...options
}: RedisClusterOptions = {}): Promise<Broker> {
  const name = clusterName('redis', version);
  return openBroker(name, options, (site) => assembleRedisCluster(site, replicas));
}
