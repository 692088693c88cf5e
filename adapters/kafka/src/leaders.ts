import type { Carrier } from './carrier.ts';
import type { Broker } from './client.ts';
import type { TopicMetadata } from './metadata-protocol.ts';
import { KafkaCode } from './native-errors.ts';

const unknownTopic = 3;
const noLeader = 5;

/** Which broker leads which partition, as far as is known; asked anew after an error. */
export class Leaders {
  readonly #carrier: Pick<Carrier, 'metadata' | 'broker'>;
  readonly #known = new Map<string, Promise<TopicMetadata>>();

  constructor(carrier: Pick<Carrier, 'metadata' | 'broker'>) {
    this.#carrier = carrier;
  }

  /** @throws KafkaCode where the topic, the partition or its leader is missing */
  async topic(topic: string): Promise<TopicMetadata> {
    const known = this.#known.get(topic);
    if (known !== undefined) return await known;
    const asked = this.#ask(topic);
    this.#known.set(topic, asked);
    asked.catch(() => this.#known.get(topic) === asked && this.#known.delete(topic));
    return await asked;
  }

  async node(topic: string, partition: number): Promise<number> {
    let { leaders } = await this.topic(topic);
    if (leaders[partition] === undefined || leaders[partition] < 0) {
      this.suspect(topic);
      ({ leaders } = await this.topic(topic));
    }
    const node = leaders[partition];
    if (node === undefined) throw new KafkaCode(unknownTopic);
    if (node < 0) throw new KafkaCode(noLeader);
    return node;
  }

  async of(topic: string, partition: number): Promise<Broker> {
    return await this.#carrier.broker(await this.node(topic, partition));
  }

  /** Does what relies on what is known of the topic's leaders. Where it fails, they are asked for anew the next time:
   *  a leader that is gone says nothing, and the connection to it is refused for as long as it is down. */
  async relying<T>(topic: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      this.suspect(topic);
      throw error;
    }
  }

  /** Forgets what is known: something did not fit. */
  suspect(topic: string): void {
    this.#known.delete(topic);
  }

  async #ask(topic: string): Promise<TopicMetadata> {
    const found = (await this.#carrier.metadata([topic])).topics.get(topic);
    if (found === undefined) throw new KafkaCode(unknownTopic);
    if (found.errorCode !== 0) throw new KafkaCode(found.errorCode);
    return found;
  }
}
