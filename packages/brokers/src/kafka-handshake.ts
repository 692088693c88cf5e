import { Kafka, logLevel } from 'kafkajs';

const topic = 'duobus-ready';

/** `kafka://host:port,host:port`, which is no URL in the eyes of the class of that name. */
const hostsOf = (url: string): string[] =>
  url.replace(/^[^:]*:\/\/(?:[^@]*@)?|[/?].*$/g, '').split(',');

function client(url: string): Kafka {
  return new Kafka({
    brokers: hostsOf(url),
    clientId: topic,
    logLevel: logLevel.NOTHING,
    connectionTimeout: 2_000,
    requestTimeout: 10_000,
    // an idempotent producer refuses to be made without retries
    retry: { retries: 1, initialRetryTime: 50, maxRetryTime: 100 },
  });
}

/** The broker answers, and these nodes are in its cluster. Leaves no trace, so any number may ask at once. */
export async function kafkaHandshake(url: string, nodes: readonly number[] = []): Promise<void> {
  const admin = client(url).admin();
  try {
    await admin.connect();
    const { brokers } = await admin.describeCluster();
    // a broker answers before it has registered again, and is then no part of the cluster
    const missing = nodes.filter((node) => brokers.every(({ nodeId }) => nodeId !== node));
    if (missing.length > 0) throw new Error(`not in the cluster yet: ${missing.join(', ')}`);
  } finally {
    await admin.disconnect();
  }
}

/**
 * A group joins and a transaction ends: the port is open long before the coordinators answer, and
 * a test would meet "coordinator is loading".
 */
export async function kafkaReady(url: string): Promise<void> {
  const kafka = client(url);
  const admin = kafka.admin();
  const consumer = kafka.consumer({ groupId: topic, sessionTimeout: 10_000 });
  const producer = kafka.producer({
    transactionalId: topic,
    maxInFlightRequests: 1,
    idempotent: true,
  });
  try {
    await admin.connect();
    await admin.createTopics({
      waitForLeaders: false,
      topics: [{ topic, numPartitions: 1, replicationFactor: -1 }],
    });
    await producer.connect();
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages: [{ value: 'ready' }] });
    await transaction.commit();
    await joined(consumer);
    await consumer.disconnect();
    await admin.deleteGroups([topic]);
    await admin.deleteTopics({ topics: [topic] });
  } finally {
    await Promise.allSettled([consumer.disconnect(), producer.disconnect(), admin.disconnect()]);
  }
}

async function joined(consumer: ReturnType<Kafka['consumer']>): Promise<void> {
  const outcome = new Promise<void>((resolve, reject) => {
    consumer.on(consumer.events.GROUP_JOIN, () => resolve());
    consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
  });
  await consumer.connect();
  await consumer.subscribe({ topic });
  await consumer.run({ eachMessage: async () => undefined });
  await outcome;
}
