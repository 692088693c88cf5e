/** What a broker started for one test may differ in. */
export interface StartOptions {
  /** Adds TLS listeners with a certificate made for this instance (not: clusters, sns-sqs, postgres). Default false. */
  readonly tls?: boolean;
  /** Kafka: adds listeners that ask for a user (see {@link users}). Redis: adds ACL users (see {@link redisUsers});
   *  the default user stays as it is. The others always ask for one. Default false. */
  readonly sasl?: boolean;
  /**
   * Lines of the broker's own configuration (rabbitmq.conf, server.properties, redis.conf, postgresql.conf), or
   * environment variables of the emulator behind sns-sqs; they win over ours. In a cluster every node has them.
   */
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

export interface RedisUser {
  readonly username: string;
  readonly password: string;
  /** What it may do, in the words of `ACL SETUSER`. */
  readonly rules: string;
}

/** Users of every Redis started with `sasl`: the first may do everything, the second only look. */
export const redisUsers: readonly [all: RedisUser, reader: RedisUser] = [
  { username: 'acl-user', password: 'acl-secret', rules: '~* &* +@all' },
  { username: 'acl-reader', password: 'reader-secret', rules: '~* &* -@all +@read +@connection' },
];

export const configLines = (config: StartOptions['config'], separator: string): readonly string[] =>
  Object.entries(config ?? {}).map(([key, value]) => `${key}${separator}${value}`);

/** @throws TypeError for what the broker of that name does not offer here. */
export function refuse(
  name: string,
  options: StartOptions,
  ...refused: readonly ('tls' | 'sasl')[]
): void {
  const wanted = refused.find((option) => options[option] === true);
  if (wanted !== undefined) throw new TypeError(`${name} is not started with '${wanted}' here`);
}
