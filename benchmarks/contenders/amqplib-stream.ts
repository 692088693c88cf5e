import { type ChannelModel, type ConfirmChannel, connect, type ConsumeMessage } from 'amqplib';
import { v7 } from 'uuid';
import { type Contender, type Handle, partitions, prefetch, type Setting } from '../contender.ts';
import { type BenchDocument, keyOf } from '../document.ts';

const ackEvery = prefetch / 2;
const pointerMs = 1_000;

/** A log by hand: a stream per partition, acknowledgements as credit, the pointer written to a queue every second. */
export function amqplibStreamContender({ url, run }: Setting): Contender {
  const exchange = `raw-${run}`;
  const pointers = `raw-${run}.pointers`;
  const streams = Array.from({ length: partitions }, (_, partition) => `raw-${run}.${partition}`);
  let publishing: ChannelModel;
  let consuming: ChannelModel;
  let confirms: ConfirmChannel;
  return {
    async open() {
      [publishing, consuming] = await Promise.all([
        connect(url, { noDelay: true }),
        connect(url, { noDelay: true }),
      ]);
      confirms = await publishing.createConfirmChannel();
      await confirms.assertExchange(exchange, 'direct', { durable: true });
      for (const [partition, stream] of streams.entries()) {
        await confirms.assertQueue(stream, {
          durable: true,
          arguments: { 'x-queue-type': 'stream' },
        });
        await confirms.bindQueue(stream, exchange, String(partition));
      }
      await confirms.assertQueue(pointers, {
        durable: true,
        arguments: { 'x-queue-type': 'stream' },
      });
    },
    publish: (document) => publishOne(confirms, exchange, document),
    consume: (handle) => consumeFrom(consuming, confirms, streams, pointers, handle),
    async close() {
      for (const stream of [...streams, pointers]) await confirms.deleteQueue(stream);
      await confirms.deleteExchange(exchange);
      await Promise.all([publishing.close(), consuming.close()]);
    },
  };
}

function publishOne(
  channel: ConfirmChannel,
  exchange: string,
  document: BenchDocument,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const id = v7();
    const headers = {
      'cloudEvents:specversion': '1.0',
      'cloudEvents:id': id,
      'cloudEvents:source': '/bench',
      'cloudEvents:type': 'bench.order',
      'cloudEvents:time': new Date().toISOString(),
      'cloudEvents:partitionkey': document.customer,
    };
    channel.publish(
      exchange,
      partitionOf(document.customer),
      Buffer.from(JSON.stringify(document)),
      { persistent: true, mandatory: true, contentType: 'application/json', headers },
      (error: unknown) => (error ? reject(error) : resolve(id)),
    );
  });
}

const partitionByKey = new Map(
  Array.from({ length: 1_000 }, (_, n) => [keyOf(n), String(n % partitions)]),
);

function partitionOf(key: string): string {
  return partitionByKey.get(key) ?? '0';
}

async function consumeFrom(
  model: ChannelModel,
  confirms: ConfirmChannel,
  streams: readonly string[],
  pointers: string,
  handle: Handle,
): Promise<() => Promise<void>> {
  const channel = await model.createChannel();
  await channel.prefetch(prefetch);
  const next = new Map<string, number>();
  const tags: string[] = [];
  for (const stream of streams) {
    let unacknowledged = 0;
    const receive = (message: ConsumeMessage | null): void => {
      if (message === null) throw new Error('the broker has cancelled the consumer');
      unacknowledged += 1;
      if (unacknowledged >= ackEvery) {
        unacknowledged = 0;
        channel.ack(message, true);
      }
      void handleOne(message, handle).then((offset) => next.set(stream, offset + 1));
    };
    const { consumerTag } = await channel.consume(stream, receive, {
      arguments: { 'x-stream-offset': 'first' },
    });
    tags.push(consumerTag);
  }
  const write = (): Promise<void> => writePointers(confirms, pointers, next);
  let failed: unknown;
  const timer = setInterval(
    () => void write().catch((error: unknown) => (failed = error)),
    pointerMs,
  );
  return async () => {
    clearInterval(timer);
    for (const tag of tags) await channel.cancel(tag);
    await write();
    await channel.close();
    if (failed !== undefined) throw failed;
  };
}

async function handleOne(message: ConsumeMessage, handle: Handle): Promise<number> {
  const { headers = {} } = message.properties;
  if (
    headers['cloudEvents:type'] !== 'bench.order' ||
    typeof headers['cloudEvents:id'] !== 'string'
  )
    throw new Error('not one of ours');
  await handle(JSON.parse(message.content.toString()) as BenchDocument);
  return Number(headers['x-stream-offset']);
}

function writePointers(
  channel: ConfirmChannel,
  queue: string,
  next: ReadonlyMap<string, number>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const text = Buffer.from(JSON.stringify(Object.fromEntries(next)));
    channel.sendToQueue(queue, text, { persistent: true }, (error: unknown) =>
      error ? reject(error) : resolve(),
    );
  });
}
