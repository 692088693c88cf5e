import net from 'node:net';
import tls from 'node:tls';
import kafkajs, { type Kafka, type SASLOptions } from 'kafkajs';
import type { Cluster, ConnectionPool, KafkaClient } from './client.ts';
import type { Login } from './login.ts';
import type { Settings } from './options.ts';

type SocketOptions = { host: string; port: number; ssl?: object; onConnect: () => void };

/** A client of its own settings: quiet, without retries (the runtime has its own), and with small packets sent at once. */
export function createClient(
  settings: Settings,
  clientId: string = settings.clientId,
): KafkaClient {
  return makeKafka(settings, clientId);
}

/**
 * kafkajs' Cluster: the way to its connections and to the verbs of the protocol. It is handed to partition assigners
 * when a consumer is made; the consumer itself is never started.
 */
export function createCluster(settings: Settings, clientId: string): Cluster {
  let cluster: unknown;
  makeKafka(settings, clientId).consumer({
    groupId: 'duobus',
    allowAutoTopicCreation: false,
    partitionAssigners: [
      (context) => {
        ({ cluster } = context as { cluster?: unknown });
        return {
          name: 'duobus',
          version: 1,
          assign: async () => [],
          protocol: () => ({ name: 'duobus', metadata: Buffer.alloc(0) }),
        };
      },
    ],
  });
  return cluster as Cluster;
}

/** Says with what the connections of a pool, none of which is open yet, are to be made. */
export function introduce({ pool }: ConnectionPool, { ssl, sasl }: Login): void {
  for (const connection of pool) {
    if (ssl !== undefined) connection.ssl = ssl;
    if (sasl !== undefined) connection.sasl = { ...sasl };
  }
}

function makeKafka(settings: Settings, clientId: string): Kafka {
  const { brokers, logins } = settings;
  const { ssl, sasl } = logins.latest;
  return new kafkajs.Kafka({
    clientId,
    brokers: brokers.map(({ host, port }) => `${host}:${port}`),
    ...(ssl === undefined ? {} : { ssl }),
    ...(sasl === undefined ? {} : { sasl: sasl as SASLOptions }),
    connectionTimeout: settings.connectTimeoutMs,
    authenticationTimeout: settings.connectTimeoutMs,
    requestTimeout: settings.requestTimeoutMs,
    retry: { retries: 0 },
    // at its level DEBUG, which an environment variable can set, kafkajs logs what is in requests
    logLevel: kafkajs.logLevel.NOTHING,
    logCreator: () => () => undefined,
    socketFactory: openSocket,
  });
}

function openSocket({ host, port, ssl, onConnect }: SocketOptions): net.Socket {
  const address = { host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 };
  if (ssl === undefined || ssl === null) return net.connect(address, onConnect);
  return tls.connect(
    { ...address, ...(net.isIP(host) === 0 ? { servername: host } : {}), ...ssl },
    onConnect,
  );
}
