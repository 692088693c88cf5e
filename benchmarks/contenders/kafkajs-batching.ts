import { type Message, Partitioners, type Producer } from 'kafkajs';

const maxRecords = 500;

interface Waiting {
  readonly message: Message;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** One request in flight per partition, each with what has gathered meanwhile: what kafkajs itself does not do. */
export class BatchingProducer {
  readonly #producer: Producer;
  readonly #topic: string;
  readonly #queues: readonly Waiting[][];
  readonly #busy: boolean[];
  readonly #partitionOf: (message: Message) => number;

  constructor(producer: Producer, topic: string, partitions: number) {
    this.#producer = producer;
    this.#topic = topic;
    this.#queues = Array.from({ length: partitions }, () => []);
    this.#busy = Array.from({ length: partitions }, () => false);
    const partitionMetadata = Array.from({ length: partitions }, (_, partitionId) => ({
      partitionId,
      leader: 1,
      replicas: [1],
      isr: [1],
      partitionErrorCode: 0,
    }));
    const choose = Partitioners.DefaultPartitioner();
    this.#partitionOf = (message) => choose({ topic, partitionMetadata, message });
  }

  send(message: Message): Promise<void> {
    const partition = this.#partitionOf(message);
    return new Promise((resolve, reject) => {
      this.#queues[partition]?.push({ message: { ...message, partition }, resolve, reject });
      if (this.#busy[partition] !== true) this.#start(partition);
    });
  }

  #start(partition: number): void {
    this.#busy[partition] = true;
    queueMicrotask(() => void this.#drain(partition));
  }

  async #drain(partition: number): Promise<void> {
    const queue = this.#queues[partition] ?? [];
    while (queue.length > 0) {
      const batch = queue.splice(0, maxRecords);
      try {
        await this.#producer.send({
          topic: this.#topic,
          acks: -1,
          messages: batch.map(({ message }) => message),
        });
        for (const { resolve } of batch) resolve();
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#busy[partition] = false;
  }
}
