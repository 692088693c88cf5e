export { type Broker, type BrokerNode, startBroker } from './broker.ts';
export {
  type ClusterOptions,
  type RedisClusterOptions,
  startKafkaCluster,
  startRabbitmqCluster,
  startRedisCluster,
} from './clusters.ts';
export {
  type BrokerUser,
  type Endpoints,
  type RedisUser,
  redisUsers,
  type StartOptions,
  users,
} from './options.ts';
export {
  type RedisReplicaOptions,
  type RedisReplicas,
  type RedisSentinel,
  type RedisSentinelOptions,
  startRedisReplica,
  startRedisSentinel,
} from './redis-topologies.ts';
export { sweep } from './instance.ts';
export { nodeUrls } from './node-urls.ts';
export { down, isLeftOut, type SharedBroker, type Status, status, testUrl, up } from './shared.ts';
export {
  adapterNames,
  type BrokerKind,
  parseSpec,
  urlVariables,
  versionEnvironment,
} from './spec.ts';
