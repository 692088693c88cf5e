import {
  type Admin,
  type Consumer,
  type EachBatchPayload,
  type IHeaders,
  Kafka,
  logLevel,
  Partitioners,
  type Producer,
} from 'kafkajs';
import { v7 } from 'uuid';
import { type Contender, type Handle, partitions, type Setting } from '../contender.ts';
import type { BenchDocument } from '../document.ts';
import { BatchingProducer } from './kafkajs-batching.ts';

interface Work {
  readonly partitions: number;
  readonly keyed: boolean;
  readonly commitMs: number;
}

/** As duobus writes pointers: every second, or soon after what was handled. Nothing is deleted here. */
const works: Readonly<Record<Setting['bus'], Work>> = {
  data: { partitions, keyed: true, commitMs: 1_000 },
  event: { partitions: 8, keyed: false, commitMs: 50 },
};

/** By hand: batches per partition, acks from all, manual commits. */
export function kafkajsContender({ url, run, bus }: Setting): Contender {
  const work = works[bus];
  const topic = `raw-${run}`;
  const kafka = new Kafka({
    clientId: 'bench',
    brokers: [new URL(url).host],
    logLevel: logLevel.ERROR,
  });
  const admin: Admin = kafka.admin();
  const producer: Producer = kafka.producer({
    createPartitioner: Partitioners.DefaultPartitioner,
    allowAutoTopicCreation: false,
  });
  const batching = new BatchingProducer(producer, topic, work.partitions);
  return {
    async open() {
      await Promise.all([admin.connect(), producer.connect()]);
      await admin.createTopics({
        waitForLeaders: true,
        topics: [{ topic, numPartitions: work.partitions, replicationFactor: 1 }],
      });
    },
    publish(document) {
      const id = v7();
      const headers = {
        ce_specversion: '1.0',
        ce_id: id,
        ce_source: '/bench',
        ce_type: 'bench.order',
        ce_time: new Date().toISOString(),
        ce_correlationid: id,
        ...(work.keyed ? { ce_partitionkey: document.customer } : {}),
        'content-type': 'application/json',
      };
      const key = work.keyed ? document.customer : null;
      return batching.send({ key, value: JSON.stringify(document), headers });
    },
    consume: (handle) =>
      consumeGroup(
        kafka.consumer({ groupId: `${topic}.bench`, maxWaitTimeInMs: 200 }),
        topic,
        work,
        handle,
      ),
    async close() {
      await producer.disconnect();
      await admin.deleteTopics({ topics: [topic] });
      await admin.disconnect();
    },
  };
}

async function consumeGroup(
  consumer: Consumer,
  topic: string,
  { partitions: count, commitMs }: Work,
  handle: Handle,
): Promise<() => Promise<void>> {
  const next = new Map<number, string>();
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    partitionsConsumedConcurrently: count,
    eachBatch: async (payload) => {
      const handled = await runBatch(payload, handle);
      if (handled !== undefined) next.set(payload.batch.partition, String(Number(handled) + 1));
      await payload.heartbeat();
    },
  });
  const commit = async (): Promise<void> => {
    const offsets = [...next].map(([partition, offset]) => ({ topic, partition, offset }));
    next.clear();
    if (offsets.length > 0) await consumer.commitOffsets(offsets);
  };
  let failed: unknown;
  const timer = setInterval(
    () => void commit().catch((error: unknown) => (failed = error)),
    commitMs,
  );
  return async () => {
    clearInterval(timer);
    await commit();
    await consumer.disconnect();
    if (failed !== undefined) throw failed;
  };
}

/** Offset of the last message handled. */
async function runBatch(payload: EachBatchPayload, handle: Handle): Promise<string | undefined> {
  let last: string | undefined;
  for (const message of payload.batch.messages) {
    if (!payload.isRunning() || payload.isStale()) return last;
    const type = header(message.headers, 'ce_type');
    const id = header(message.headers, 'ce_id');
    if (type !== 'bench.order' || id === undefined) throw new Error('not one of ours');
    await handle(JSON.parse(message.value?.toString() ?? '') as BenchDocument);
    last = message.offset;
  }
  return last;
}

function header(headers: IHeaders | undefined, name: string): string | undefined {
  return headers?.[name]?.toString();
}
