import { Kafka, logLevel } from 'kafkajs';

const topic = 'duobus-ready';

function client(url: string): Kafka {
  return new Kafka({
    brokers: [new URL(url).host],
    clientId: topic,
    logLevel: logLevel.NOTHING,
    connectionTimeout: 2_000,
    requestTimeout: 10_000,
    // an idempotent producer refuses to be made without retries
    retry: { retries: 1, initialRetryTime: 50, maxRetryTime: 100 },
  });
}

/** The broker answers. Leaves no trace, so any number of processes may ask at once. */
export async function kafkaHandshake(url: string): Promise<void> {
  const admin = client(url).admin();
  try {
    await admin.connect();
    await admin.describeCluster();
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
      topics: [{ topic, numPartitions: 1, replicationFactor: 1 }],
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
