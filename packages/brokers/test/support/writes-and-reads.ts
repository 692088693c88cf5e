import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from 'amqplib';
import { Kafka, logLevel } from 'kafkajs';
import type { Broker, BrokerKind, StartOptions } from '../../src/index.ts';
import { resp } from '../../src/resp.ts';
import { until } from '../../src/until.ts';

interface WriteAndRead {
  readonly config?: StartOptions['config'];
  write(broker: Broker, value: string): Promise<void>;
  /** The value written last. */
  read(broker: Broker): Promise<string>;
}

const urlOf = (broker: Broker, index: number): string =>
  broker.nodes[index % broker.nodes.length]?.url ?? broker.url;

/** {@link Broker.url} of a Redis cluster is one node, whose slots may not hold the key. */
async function onOwner(broker: Broker, ...command: string[]): Promise<string> {
  for (const { url } of broker.nodes) {
    try {
      const [reply] = await resp(url, command);
      return String(reply);
    } catch (error) {
      if (!String(error).includes('MOVED')) throw error;
    }
  }
  throw new Error('no node has the slot');
}

const redis: WriteAndRead = {
  config: { appendfsync: 'always' },
  write: async (broker, value) => void (await onOwner(broker, 'SET', 'k', value)),
  read: (broker) => onOwner(broker, 'GET', 'k'),
};

const sql = (broker: Broker, text: string): Promise<string> =>
  broker.ctl('-d', 'duobus', '-c', text).then((said) => said.trim());

const postgres: WriteAndRead = {
  async write(broker, value) {
    await sql(broker, 'create table if not exists t (at serial, v text)');
    await sql(broker, `insert into t (v) values ('${value}')`);
  },
  read: (broker) => sql(broker, 'select v from t order by at desc limit 1'),
};

async function object(broker: Broker, path: string, init: RequestInit = {}): Promise<string> {
  const authorization =
    'AWS4-HMAC-SHA256 Credential=test/20250101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00';
  const response = await fetch(`http://${new URL(broker.url).host}/${path}`, {
    ...init,
    headers: { authorization },
  });
  assert.ok(response.ok, `${path}: ${response.status}`);
  return response.text();
}

const snsSqs: WriteAndRead = {
  async write(broker, value) {
    await object(broker, 'bucket', { method: 'PUT' });
    await object(broker, 'bucket/key', { method: 'PUT', body: value });
  },
  read: (broker) => object(broker, 'bucket/key'),
};

/** A quorum queue that holds the last value alone. */
const rabbitmq: WriteAndRead = {
  async write(broker, value) {
    const connection = await connect(urlOf(broker, 0));
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue('k', {
      durable: true,
      arguments: { 'x-queue-type': 'quorum' },
    });
    // of a quorum queue younger than half a second the broker itself has not kept that it exists
    await delay(1_000);
    await channel.purgeQueue('k');
    channel.sendToQueue('k', Buffer.from(value), { persistent: true });
    await channel.waitForConfirms();
    await connection.close();
  },
  async read(broker) {
    const connection = await connect(urlOf(broker, 0));
    connection.on('error', () => undefined);
    const channel = await connection.createChannel();
    channel.on('error', () => undefined);
    const message = await until(async () => (await channel.get('k')) || undefined, {
      timeoutMs: 30_000,
      what: 'the message',
    });
    channel.nack(message, false, true);
    await connection.close();
    return message.content.toString();
  },
};

const clientOf = (broker: Broker): Kafka =>
  new Kafka({
    brokers: broker.url.replace('kafka://', '').split(','),
    logLevel: logLevel.NOTHING,
    retry: { retries: 15, initialRetryTime: 200, maxRetryTime: 1_000 },
  });

/** Its admin client gives up where a node of the cluster is down that it takes for the leader. */
const patiently = <T extends object>(attempt: () => Promise<T>): Promise<T> =>
  until(() => attempt().catch(() => undefined), { timeoutMs: 60_000, what: 'Kafka' });

async function endOf(client: Kafka): Promise<number> {
  const admin = client.admin();
  try {
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: 'k', numPartitions: 1 }] });
    const [ends] = await admin.fetchTopicOffsets('k');
    return Number(ends?.high);
  } finally {
    await admin.disconnect();
  }
}

const kafka: WriteAndRead = {
  async write(broker, value) {
    const client = clientOf(broker);
    await patiently(async () => ({ end: await endOf(client) }));
    const producer = client.producer();
    await producer.connect();
    await producer.send({ topic: 'k', acks: -1, messages: [{ value }] });
    await producer.disconnect();
  },
  async read(broker) {
    const client = clientOf(broker);
    const { end } = await patiently(async () => ({ end: await endOf(client) }));
    const consumer = client.consumer({ groupId: `g-${Date.now()}` });
    await consumer.connect();
    await consumer.subscribe({ topic: 'k', fromBeginning: true });
    let value: string | undefined;
    await consumer.run({
      eachMessage: async ({ message }) => {
        if (Number(message.offset) + 1 === end) value = String(message.value);
      },
    });
    const read = await until(() => value, { timeoutMs: 60_000, what: 'the message' });
    await consumer.disconnect();
    return read;
  },
};

export const writesAndReads: Readonly<Record<BrokerKind, WriteAndRead>> = {
  redis,
  postgres,
  'sns-sqs': snsSqs,
  rabbitmq,
  kafka,
};
