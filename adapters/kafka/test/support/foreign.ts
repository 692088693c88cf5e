import kafkajs, { type Admin, type Kafka, type Producer } from 'kafkajs';
import { testUrl } from '@duobus/brokers';

/** Another program's client on the same broker. */
export function foreignKafka(): Kafka {
  const url = testUrl('kafka');
  return new kafkajs.Kafka({
    clientId: 'foreign',
    brokers: url.replace(/^kafka:\/\//, '').split(','),
    logLevel: kafkajs.logLevel.NOTHING,
  });
}

export async function withAdmin<T>(step: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = foreignKafka().admin();
  await admin.connect();
  try {
    return await step(admin);
  } finally {
    await admin.disconnect();
  }
}

export async function withProducer<T>(
  options: { readonly transactionalId?: string },
  step: (producer: Producer) => Promise<T>,
): Promise<T> {
  const { transactionalId } = options;
  const producer = foreignKafka().producer({
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
    ...(transactionalId === undefined
      ? {}
      : { transactionalId, idempotent: true, maxInFlightRequests: 1 }),
  });
  await producer.connect();
  try {
    return await step(producer);
  } finally {
    await producer.disconnect();
  }
}
