import type { Carrier } from './carrier.ts';
import type { Broker } from './client.ts';
import type { TopicMetadata } from './metadata-protocol.ts';
import { KafkaCode } from './native-errors.ts';

const unknownTopic = 3;
const noLeader = 5;

/** Which broker leads which partition, as far as is known; asked anew after an error. */
export class Leaders {
  readonly #carrier: Carrier;
  readonly #known = new Map<string, Promise<TopicMetadata>>();

  constructor(carrier: Carrier) {
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
