import type { Broker } from '@duobus/brokers';
import { Kafka, logLevel } from 'kafkajs';
import { type Copies, copiedOn } from './copies.ts';
import type { Setting } from './load.ts';

/** By Kafka's metadata: node N has the id N. What is behind is what is not in sync (`isr`), the broker's topics too. */
export async function kafkaCopies(broker: Broker, setting: Setting): Promise<Copies> {
  const { kind, topicName } = setting;
  const topic = kind === 'data' ? topicName : `__duobus.event.${topicName}`;
  const client = new Kafka({
    brokers: broker.nodes.map(({ url }) => url.replace('kafka://', '')),
    logLevel: logLevel.NOTHING,
    retry: { retries: 15, initialRetryTime: 200, maxRetryTime: 1_000 },
  });
  const admin = client.admin();
  await admin.connect();
  return {
    async leaders() {
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
      return topics.flatMap(({ partitions }) =>
        partitions.flatMap(({ partitionId, leader }) =>
          copiedOn(broker.nodes, leader - 1, `partition ${partitionId}`),
        ),
      );
    },
    async behind() {
      const { topics } = await admin.fetchTopicMetadata();
      return topics.flatMap(({ name, partitions }) =>
        partitions
          .filter(({ isr }) => isr.length < broker.nodes.length)
          .map(({ partitionId, isr }) => `${name}/${partitionId}: in sync on ${isr.join(', ')}`),
      );
    },
    [Symbol.asyncDispose]: () => admin.disconnect(),
  };
}
