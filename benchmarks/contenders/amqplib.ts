import {
  type Channel,
  type ChannelModel,
  type ConfirmChannel,
  connect,
  type ConsumeMessage,
} from 'amqplib';
import { v7 } from 'uuid';
import { type Contender, type Handle, prefetch, type Setting } from '../contender.ts';
import type { BenchDocument } from '../document.ts';

const ackEvery = 100;
const ackMs = 50;

/** A queue for a subscription by hand: confirms, one window, prefetch, acknowledgements in batches. */
export function amqplibContender({ url, run }: Setting): Contender {
  const exchange = `raw-${run}`;
  const queue = `raw-${run}.bench`;
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
      await confirms.assertExchange(exchange, 'fanout', { durable: true });
      await confirms.assertQueue(queue, {
        durable: true,
        arguments: { 'x-queue-type': 'quorum', 'x-delivery-limit': 1_000_000_000 },
      });
      await confirms.bindQueue(queue, exchange, '');
    },
    publish: (document) => publishOne(confirms, exchange, document),
    consume: (handle) => consumeFrom(consuming, queue, handle),
    async close() {
      await confirms.deleteQueue(queue);
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
      'cloudEvents:correlationid': id,
    };
    channel.publish(
      exchange,
      '',
      Buffer.from(JSON.stringify(document)),
      { persistent: true, contentType: 'application/json', messageId: id, headers },
      (error: unknown) => (error ? reject(error) : resolve(id)),
    );
  });
}

async function consumeFrom(
  model: ChannelModel,
  queue: string,
  handle: Handle,
): Promise<() => Promise<void>> {
  const channel = await model.createChannel();
  await channel.prefetch(prefetch);
  const acks = new Acknowledger(channel);
  const { consumerTag } = await channel.consume(queue, (message) => {
    if (message === null) throw new Error('the broker has cancelled the consumer');
    void handleOne(message, handle).then(() => acks.handled(message));
  });
  return async () => {
    await channel.cancel(consumerTag);
    acks.flush();
    await channel.close();
  };
}

async function handleOne(message: ConsumeMessage, handle: Handle): Promise<void> {
  const { headers = {} } = message.properties;
  if (
    headers['cloudEvents:type'] !== 'bench.order' ||
    typeof headers['cloudEvents:id'] !== 'string'
  )
    throw new Error('not one of ours');
  await handle(JSON.parse(message.content.toString()) as BenchDocument);
}

/** Handlers end in the order of deliveries here, so acknowledging the last one acknowledges all before it. */
class Acknowledger {
  readonly #channel: Channel;
  #last: ConsumeMessage | undefined;
  #pending = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  handled(message: ConsumeMessage): void {
    this.#last = message;
    this.#pending += 1;
    if (this.#pending >= ackEvery) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), ackMs);
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#pending = 0;
    if (this.#last !== undefined) this.#channel.ack(this.#last, true);
    this.#last = undefined;
  }
}
