/** What a broker started for one test may differ in. */
export interface StartOptions {
  /** Adds TLS listeners with a certificate made for this instance. Default false. */
  readonly tls?: boolean;
  /** Kafka: adds listeners that ask for a user (see {@link users}). RabbitMQ always asks for one. Default false. */
  readonly sasl?: boolean;
  /** Lines of the broker's own configuration (rabbitmq.conf, server.properties); they win over ours. */
  readonly config?: Readonly<Record<string, string | number | boolean>>;
}

/** Where a broker listens; which of them exist depends on the options. */
export interface Endpoints {
  readonly plain: string;
  readonly tls?: string;
  readonly saslPlain?: string;
  readonly saslTls?: string;
}

export interface BrokerUser {
  readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512';
  readonly username: string;
  readonly password: string;
}

/** Users of every Kafka started with `sasl`. Made-up passwords: these servers live on 127.0.0.1 only. */
export const users: readonly BrokerUser[] = [
  { mechanism: 'PLAIN', username: 'plain-user', password: 'plain-secret' },
  { mechanism: 'SCRAM-SHA-256', username: 'scram256-user', password: 'scram256-secret' },
  { mechanism: 'SCRAM-SHA-512', username: 'scram512-user', password: 'scram512-secret' },
];

export const configLines = (config: StartOptions['config'], separator: string): readonly string[] =>
  Object.entries(config ?? {}).map(([key, value]) => `${key}${separator}${value}`);
