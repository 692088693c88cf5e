import { BusError, Registry, type RegistryOp, type StoredTopic } from '@duobus/core/driver';
import type { Carrier } from './carrier.ts';
import { decompress } from './compression.ts';
import { fetchRequest } from './fetch-protocol.ts';
import type { Leaders } from './leaders.ts';
import { KafkaCode } from './native-errors.ts';
import type { Producer } from './producer.ts';
import { decodeBatches } from './record-batch.ts';
import { type KafkaTopic, kafkaTopicName } from './topology.ts';

/** A line of the registry: an operation, and where its topic is kept, or what a subscription is. */
type Line = RegistryOp & {
  readonly kafka?: KafkaTopic;
  readonly subscription?: SubscriptionRecord & { readonly incarnation: string };
};

/** What the registry says of a subscription. */
export interface SubscriptionRecord {
  /** Made anew with every creation: part of the names of what belongs to it. */
  readonly id: string;
  /** Where it began, by partition; partitions added later begin at 0. */
  readonly starts: readonly number[];
}

export interface Entry {
  readonly topic: StoredTopic;
  readonly kafka: KafkaTopic;
}

const partition = 0;
const outOfRange = 1;
const limits = { maxWaitMs: 0, maxBytes: 4 * 1024 * 1024, maxPartitionBytes: 4 * 1024 * 1024 };

/** The log of topic records that all processes share: the first record of a topic in it is the topic's record. */
export class RegistryTopic {
  readonly name: string;
  readonly #carrier: Carrier;
  readonly #leaders: Leaders;
  readonly #producer: Producer;
  #fold = new Registry();
  #kept = new Map<string, KafkaTopic>();
  /** By incarnation of the topic, then by name. */
  #subscriptions = new Map<string, Map<string, SubscriptionRecord>>();
  #next = 0;
  #id: string | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(name: string, carrier: Carrier, leaders: Leaders, producer: Producer) {
    this.name = name;
    this.#carrier = carrier;
    this.#leaders = leaders;
    this.#producer = producer;
  }

  find(kind: StoredTopic['kind'], name: string): Entry | undefined {
    return this.#entry(this.#fold.topic(kind, name));
  }

  all(kind: StoredTopic['kind']): readonly Entry[] {
    return this.#fold.topics(kind).map((topic) => this.#entry(topic) as Entry);
  }

  subscriptions({ incarnation }: StoredTopic): ReadonlyMap<string, SubscriptionRecord> {
    return this.#subscriptions.get(incarnation) ?? new Map<string, SubscriptionRecord>();
  }

  /** Reads what has been added. @throws KafkaCode 3 where there is no registry yet */
  async load(): Promise<void> {
    await this.#inTurn(() => this.#read());
  }

  /** Appends a line and reads it back, with whatever came before it: that decides. */
  async write(line: Line, signal: AbortSignal): Promise<void> {
    await this.#inTurn(async () => {
      const body = new TextEncoder().encode(Registry.encode(line));
      const [outcome] = await this.#producer.append(
        this.name,
        partition,
        [{ key: undefined, headers: {}, body }],
        signal,
      );
      if (outcome?.status !== 'stored')
        throw outcome?.error ?? new BusError('DUOBUS_BUG', 'the registry line has no outcome');
      await this.#read();
    });
  }

  #entry(topic: StoredTopic | undefined): Entry | undefined {
    return topic === undefined
      ? undefined
      : {
          topic,
          kafka: this.#kept.get(topic.incarnation) ?? { topic: kafkaTopicName(topic), id: '' },
        };
  }

  /** One at a time: the order of lines is what counts. */
  #inTurn<T>(step: () => Promise<T>): Promise<T> {
    const result = this.#turn.then(step);
    this.#turn = result.catch(() => undefined); // told to the caller of this step; the next one goes on
    return result;
  }

  async #read(): Promise<void> {
    await this.#notice();
    for (;;) {
      const request = fetchRequest(this.name, [{ partition, offset: this.#next }], limits);
      const [answer] = await this.#leaders.relying(this.name, async () =>
        this.#carrier.send(await this.#leaders.of(this.name, partition), request),
      );
      if (answer === undefined)
        throw new BusError(
          'DUOBUS_BUG',
          `fetching '${this.name}' brought no answer for its partition`,
        );
      if (answer.errorCode !== 0) {
        this.#leaders.suspect(this.name);
        if (answer.errorCode !== outOfRange) throw new KafkaCode(answer.errorCode);
        if (await this.#notice()) continue;
        throw trimmed(this.name);
      }
      const { records, next, error } = await decodeBatches(
        answer.batches,
        this.#next,
        answer.aborted,
        decompress,
      );
      if (error !== undefined) throw error;
      for (const { body } of records)
        this.#apply(new TextDecoder().decode(body ?? new Uint8Array(0)));
      this.#next = next;
      if (next >= answer.stableEnd) return;
    }
  }

  #apply(text: string): void {
    this.#fold.apply(text);
    const line = JSON.parse(text) as Line;
    if (line.op === 'name' || line.op === 'drop-name') this.#applyName(line);
    if (line.op !== 'topic' || line.kafka === undefined) return;
    const { kind, name, incarnation } = line.topic;
    if (this.#fold.topic(kind, name)?.incarnation === incarnation && !this.#kept.has(incarnation))
      this.#kept.set(incarnation, line.kafka);
  }

  /** The first to name a subscription makes it; who drops it says which one is meant. */
  #applyName({ op, name, subscription }: Line & { readonly name: string }): void {
    if (subscription === undefined) return;
    const { incarnation, id, starts } = subscription;
    const known = this.#subscriptions.get(incarnation) ?? new Map<string, SubscriptionRecord>();
    this.#subscriptions.set(incarnation, known);
    const stored = known.get(name);
    if (op === 'name' && stored === undefined) known.set(name, { id, starts });
    if (op === 'drop-name' && stored?.id === id) known.delete(name);
  }

  /** Begins anew if the registry was deleted and made again. */
  async #notice(): Promise<boolean> {
    const { id } = await this.#leaders.topic(this.name);
    if (this.#id === id) return false;
    this.#id = id;
    this.#forget();
    return true;
  }

  #forget(): void {
    this.#fold = new Registry();
    this.#kept = new Map();
    this.#subscriptions = new Map();
    this.#next = 0;
  }
}

function trimmed(name: string): BusError {
  return new BusError(
    'DUOBUS_POSITION_GONE',
    `the registry topic '${name}' has lost its beginning: it must be kept for ever (cleanup.policy=delete, retention.ms=-1, retention.bytes=-1)`,
  );
}
