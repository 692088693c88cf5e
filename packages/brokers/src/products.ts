import { fromDebian, fromMaven, fromPip, type Fetching } from './fetching.ts';
import { assembleKafka } from './kafka.ts';
import { assembleKafkaCluster } from './kafka-cluster.ts';
import { kafkaHandshake } from './kafka-handshake.ts';
import { kafkaOnPath } from './kafka-libraries.ts';
import { assembleMinistack, ministackOnPath } from './ministack.ts';
import { awsHandshake } from './aws-handshake.ts';
import { assemblePostgres, postgresOnPath } from './postgres.ts';
import { postgresHandshake } from './postgres-handshake.ts';
import { assembleRabbitmq, rabbitmqHandshake, rabbitmqOnPath } from './rabbitmq.ts';
import { assembleRabbitmqCluster } from './rabbitmq-cluster.ts';
import { assembleRedis, redisOnPath } from './redis.ts';
import { assembleRedisCluster } from './redis-cluster.ts';
import { redisHandshake } from './redis-handshake.ts';
import type { Assembly, Site } from './server.ts';
import { type BrokerKind, kafkaVersion, type ProductName } from './spec.ts';

/** What has to be known of a product to bring it up. */
interface Product {
  /** What has to be on PATH for the recipe of that name. */
  readonly command: string;
  /** The version of what is on PATH, where that can be used. */
  versionOnPath(line: string): Promise<string | undefined>;
  readonly fetching: Fetching;
  /** URL of its service in compose.yaml; undefined: there is none. */
  readonly dockerUrl: ((port: number) => string) | undefined;
  /** Gets the programs and the ports; starts nothing. */
  assemble(site: Site): Promise<Assembly>;
}

const rabbitmq: Product = {
  command: 'rabbitmq-server',
  versionOnPath: async () => (await rabbitmqOnPath())?.version,
  fetching: fromDebian,
  dockerUrl: (port) => `amqp://guest:guest@127.0.0.1:${port}`,
  assemble: assembleRabbitmq,
};

const kafka: Product = {
  command: 'kafka-server-start.sh',
  versionOnPath: async () => kafkaOnPath()?.version,
  fetching: fromMaven,
  dockerUrl: (port) => `kafka://127.0.0.1:${port}`,
  assemble: assembleKafka,
};

const redis: Product = {
  command: 'redis-server',
  versionOnPath: () => redisOnPath('redis'),
  fetching: fromDebian,
  dockerUrl: (port) => `redis://127.0.0.1:${port}`,
  assemble: assembleRedis,
};

const valkey: Product = {
  ...redis,
  command: 'valkey-server',
  versionOnPath: () => redisOnPath('valkey'),
};

const cluster = (product: Product, assemble: Product['assemble']): Product => ({
  ...product,
  dockerUrl: undefined,
  assemble,
});

export const products: Readonly<Record<ProductName, Product>> = {
  rabbitmq,
  'rabbitmq-cluster': cluster(rabbitmq, assembleRabbitmqCluster),
  kafka,
  'kafka-cluster': cluster(kafka, assembleKafkaCluster),
  redis,
  'redis-cluster': cluster(redis, (site) => assembleRedisCluster(site)),
  valkey,
  'valkey-cluster': cluster(valkey, (site) => assembleRedisCluster(site)),
  'sns-sqs': {
    command: 'ministack',
    versionOnPath: async () => (await ministackOnPath())?.version,
    fetching: fromPip,
    dockerUrl: (port) => `sns+sqs://test:test@127.0.0.1:${port}`,
    assemble: assembleMinistack,
  },
  postgres: {
    command: 'postgres',
    versionOnPath: async () => (await postgresOnPath())?.version,
    fetching: fromDebian,
    dockerUrl: (port) => `postgres://duobus:duobus@127.0.0.1:${port}/duobus`,
    assemble: assemblePostgres,
  },
};

/** One protocol handshake with whatever is at that URL; resolves to its version. */
export const handshakes: Readonly<Record<BrokerKind, (url: string) => Promise<string>>> = {
  rabbitmq: rabbitmqHandshake,
  kafka: (url) => kafkaHandshake(url).then(() => kafkaVersion),
  redis: redisHandshake,
  'sns-sqs': awsHandshake,
  postgres: postgresHandshake,
};
