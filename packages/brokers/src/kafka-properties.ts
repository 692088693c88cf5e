import { configLines, type Endpoints, type StartOptions, users } from './options.ts';
import type { Ports } from './ports.ts';

/** Which of several nodes this is, and where all controllers are, its own among them. */
export interface Quorum {
  readonly id: number;
  readonly controllers: readonly number[];
}

export const kafkaPorts = ['plain', 'controller', 'tls', 'saslPlain', 'saslTls'] as const;

interface Listener {
  readonly name: string;
  readonly endpoint: keyof Endpoints;
  readonly when: 'tls' | 'sasl' | 'both' | 'always';
}

const listeners: readonly Listener[] = [
  { name: 'PLAINTEXT', endpoint: 'plain', when: 'always' },
  { name: 'SSL', endpoint: 'tls', when: 'tls' },
  { name: 'SASL_PLAINTEXT', endpoint: 'saslPlain', when: 'sasl' },
  { name: 'SASL_SSL', endpoint: 'saslTls', when: 'both' },
];

function wanted({ tls = false, sasl = false }: StartOptions): readonly Listener[] {
  const on = { always: true, tls, sasl, both: tls && sasl };
  return listeners.filter(({ when }) => on[when]);
}

export function kafkaEndpoints(ports: Ports, options: StartOptions): Endpoints {
  const urls = wanted(options).map(({ endpoint }) => [
    endpoint,
    `kafka://127.0.0.1:${ports[endpoint]}`,
  ]);
  return Object.fromEntries(urls) as Endpoints;
}

function saslLines(): readonly string[] {
  const logins = users
    .filter(({ mechanism }) => mechanism === 'PLAIN')
    .map(({ username, password }) => `user_${username}="${password}"`);
  const plain = `org.apache.kafka.common.security.plain.PlainLoginModule required ${logins.join(' ')};`;
  const scram = 'org.apache.kafka.common.security.scram.ScramLoginModule required;';
  return ['sasl_plaintext', 'sasl_ssl'].flatMap((listener) => [
    `listener.name.${listener}.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512`,
    `listener.name.${listener}.plain.sasl.jaas.config=${plain}`,
    `listener.name.${listener}.scram-sha-256.sasl.jaas.config=${scram}`,
    `listener.name.${listener}.scram-sha-512.sasl.jaas.config=${scram}`,
  ]);
}

/** How many copies everything has: all that there are nodes for, of which one may be missing. */
function copies(nodes: number): readonly string[] {
  const factor = Math.min(nodes, 3);
  const least = Math.max(factor - 1, 1);
  return [
    `default.replication.factor=${factor}`,
    `min.insync.replicas=${least}`,
    `offsets.topic.replication.factor=${factor}`,
    `transaction.state.log.replication.factor=${factor}`,
    `transaction.state.log.min.isr=${least}`,
    `share.coordinator.state.topic.replication.factor=${factor}`,
    `share.coordinator.state.topic.min.isr=${least}`,
  ];
}

/** A node that is broker and controller, tuned to answer a test soon rather than to be fast. */
export function kafkaProperties(
  folder: string,
  ports: Ports,
  options: StartOptions,
  quorum: Quorum = { id: 1, controllers: [ports['controller'] ?? 0] },
): string {
  const on = (port: number | undefined): string => `127.0.0.1:${port}`;
  const open = wanted(options).map(({ name, endpoint }) => `${name}://${on(ports[endpoint])}`);
  const voters = quorum.controllers.map((port, index) => `${index + 1}@${on(port)}`);
  const tlsLines = [
    'ssl.keystore.type=PEM',
    `ssl.keystore.location=${folder}/tls/server-bundle.pem`,
    'ssl.truststore.type=PEM',
    `ssl.truststore.location=${folder}/tls/ca.pem`,
  ];
  return [
    'process.roles=broker,controller',
    `node.id=${quorum.id}`,
    `controller.quorum.voters=${voters.join(',')}`,
    'controller.listener.names=CONTROLLER',
    'inter.broker.listener.name=PLAINTEXT',
    `listeners=${[...open, `CONTROLLER://${on(ports['controller'])}`].join(',')}`,
    `advertised.listeners=${open.join(',')}`,
    'listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL',
    `log.dirs=${folder}/data`,
    'auto.create.topics.enable=false',
    'offsets.topic.num.partitions=4',
    'transaction.state.log.num.partitions=4',
    'share.coordinator.state.topic.num.partitions=4',
    ...copies(quorum.controllers.length),
    'group.initial.rebalance.delay.ms=0',
    // after a SIGKILL the broker may register again only when its old session has ended
    'broker.session.timeout.ms=6000',
    'broker.heartbeat.interval.ms=1000',
    // retention is looked at every five minutes by default, and not at all in the first half minute
    'log.retention.check.interval.ms=1000',
    'log.initial.task.delay.ms=500',
    'num.network.threads=2',
    'num.io.threads=4',
    ...(options.tls === true ? tlsLines : []),
    ...(options.sasl === true ? saslLines() : []),
    ...configLines(options.config, '='),
    '',
  ].join('\n');
}
