import {
  BusError,
  sameTopic,
  type StoredTopic,
  type TopologyMode,
  type WantedTopic,
} from '@duobus/core/driver';
import type { Carrier } from './carrier.ts';
import { setTopicConfigs } from './config-protocol.ts';
import type { Leaders } from './leaders.ts';
import { leadershipCodes, type LogEnds } from './log-ends.ts';
import type { TopicMetadata } from './metadata-protocol.ts';
import { kafkaCode, KafkaCode } from './native-errors.ts';
import type { Settings } from './options.ts';
import type { Entry, RegistryTopic } from './registry-topic.ts';
import {
  adoptedTopic,
  kafkaTopicName,
  type KafkaTopic,
  otherTopicName,
  registryConfigs,
  retentionConfigs,
  topicConfigs,
} from './topology.ts';
import { pause } from './waiting.ts';

const unknownTopic = 3;
const refusedName = 17;
const alreadyExists = 36;
const invalidPartitions = 37;
const topicResource = 2;
const visibleWithinMs = 15_000;

/** Topics: what the registry says of them, made true in Kafka. */
export class TopicStore {
  readonly #settings: Settings;
  readonly #carrier: Carrier;
  readonly #leaders: Leaders;
  readonly #ends: LogEnds;
  readonly #registry: RegistryTopic;

  constructor(
    settings: Settings,
    carrier: Carrier,
    leaders: Leaders,
    ends: LogEnds,
    registry: RegistryTopic,
  ) {
    this.#settings = settings;
    this.#carrier = carrier;
    this.#leaders = leaders;
    this.#ends = ends;
    this.#registry = registry;
  }

  async ensure(wanted: WantedTopic, mode: TopologyMode, signal: AbortSignal): Promise<StoredTopic> {
    if (mode === 'check') return await this.#check(wanted);
    await this.#ensureRegistry(signal);
    for (;;) {
      signal.throwIfAborted();
      await this.#registry.load();
      const entry = this.#registry.find(wanted.kind, wanted.name);
      const { kafka, made } = await this.#ensureKafkaTopic(wanted, entry, signal);
      if (entry !== undefined && entry.kafka.id === kafka.id)
        return await this.#grown(entry, kafka, signal);
      if (entry !== undefined) await this.#drop(entry, signal);
      const topic = made ? wanted : await this.#adopt(wanted, kafka);
      await this.#registry.write(
        { v: 1, op: 'topic', topic, kafka: { topic: kafka.name, id: kafka.id } },
        signal,
      );
      const stored = this.#registry.find(wanted.kind, wanted.name);
      if (stored?.kafka.id === kafka.id) return withPartitions(stored.topic, kafka);
    }
  }

  /** Records of the names given, or all, whose Kafka topics exist. */
  async list(
    kind: StoredTopic['kind'],
    names: readonly string[] | undefined,
  ): Promise<readonly StoredTopic[]> {
    if (!(await this.#loaded())) return [];
    const wanted = this.#registry
      .all(kind)
      .filter(({ topic }) => names === undefined || names.includes(topic.name));
    const { topics } = await this.#carrier.metadata(wanted.map(({ kafka }) => kafka.topic));
    return wanted.flatMap(({ topic, kafka }) => {
      const found = topics.get(kafka.topic);
      return found?.errorCode === 0 && found.id === kafka.id ? [withPartitions(topic, found)] : [];
    });
  }

  async alter(current: StoredTopic, next: StoredTopic, signal: AbortSignal): Promise<StoredTopic> {
    await this.#registry.load();
    const entry = this.#registry.find(current.kind, current.name);
    const found = entry === undefined ? undefined : await this.#find(entry.kafka.topic);
    if (entry === undefined || found === undefined || found.id !== entry.kafka.id)
      throw missing(current.name);
    if (!sameTopic(withPartitions(entry.topic, found), current)) throw changed(current.name);
    await this.#registry.write({ v: 1, op: 'alter', from: entry.topic, topic: next }, signal);
    const stored = this.#registry.find(current.kind, current.name);
    if (stored === undefined || !sameTopic(stored.topic, next)) throw changed(current.name);
    const { maxAgeMs, maxBytes } = next.retention;
    if (
      !next.compacted &&
      (maxAgeMs !== current.retention.maxAgeMs || maxBytes !== current.retention.maxBytes)
    ) {
      await this.#carrier.send(
        await this.#carrier.controller(),
        setTopicConfigs(found.name, retentionConfigs(next.retention)),
      );
    }
    return await this.#grown({ ...stored, topic: next }, found, signal);
  }

  /** Where a topic is kept, if this process knows. */
  known(topic: StoredTopic): KafkaTopic | undefined {
    const entry = this.#registry.find(topic.kind, topic.name);
    return entry?.topic.incarnation === topic.incarnation ? entry.kafka : undefined;
  }

  /** Where a topic is kept. @throws BusError DUOBUS_NOT_FOUND when it was deleted, or made anew since */
  async kept(topic: StoredTopic): Promise<KafkaTopic> {
    if (this.known(topic) === undefined) await this.#loaded();
    const kafka = this.known(topic);
    if (kafka === undefined) throw missing(topic.name);
    return kafka;
  }

  /** The partitions Kafka has now. @throws BusError DUOBUS_NOT_FOUND */
  async current(topic: StoredTopic): Promise<TopicMetadata> {
    const kafka = await this.kept(topic);
    const found = await this.#find(kafka.topic);
    if (found === undefined || found.id !== kafka.id) throw missing(topic.name);
    return found;
  }

  /** A Kafka topic that no record tells of. It must be a new one. */
  async make(
    name: string,
    partitions: number,
    configs: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<void> {
    await this.#create(name, partitions, configs);
    await this.#visible(name, partitions, signal);
  }

  /** Deletes a Kafka topic. No error if there is none. */
  async unmake(name: string): Promise<void> {
    this.#leaders.suspect(name);
    try {
      await this.#carrier.call(await this.#carrier.controller(), (broker) =>
        broker.deleteTopics({ topics: [name], timeout: this.#settings.requestTimeoutMs }),
      );
    } catch (error) {
      if (kafkaCode(error) !== unknownTopic) throw error;
    }
  }

  /** Settings of a Kafka topic. */
  async configs(
    name: string,
    configNames: readonly string[],
  ): Promise<ReadonlyMap<string, string | null>> {
    const { resources } = await this.#carrier.anywhere((broker) =>
      broker.describeConfigs({ resources: [{ type: topicResource, name, configNames }] }),
    );
    return new Map(
      resources[0]?.configEntries.map(({ configName, configValue }) => [configName, configValue]),
    );
  }

  async #check(wanted: WantedTopic): Promise<StoredTopic> {
    if (!(await this.#loaded()))
      throw missing(wanted.name, `there is no registry topic '${this.#registry.name}' either`);
    const entry = this.#registry.find(wanted.kind, wanted.name);
    const found = await this.#find(entry?.kafka.topic ?? kafkaTopicName(wanted));
    if (found === undefined)
      throw missing(
        wanted.name,
        `Kafka has no topic '${entry?.kafka.topic ?? kafkaTopicName(wanted)}'`,
      );
    if (entry === undefined)
      throw missing(
        wanted.name,
        `Kafka has the topic '${found.name}', but the registry '${this.#registry.name}' has no record of it`,
      );
    if (entry.kafka.id !== found.id)
      throw missing(
        wanted.name,
        `the Kafka topic '${found.name}' is not the one duobus knew: it was deleted and made anew`,
      );
    return withPartitions(entry.topic, found);
  }

  async #loaded(): Promise<boolean> {
    this.#leaders.suspect(this.#registry.name);
    try {
      await this.#registry.load();
      return true;
    } catch (error) {
      if (kafkaCode(error) === unknownTopic) return false;
      throw error;
    }
  }

  async #ensureRegistry(signal: AbortSignal): Promise<void> {
    this.#leaders.suspect(this.#registry.name);
    if ((await this.#find(this.#registry.name)) !== undefined) return;
    await this.#create(this.#registry.name, 1, registryConfigs(this.#settings));
    await this.#visible(this.#registry.name, 1, signal);
  }

  async #ensureKafkaTopic(
    wanted: WantedTopic,
    entry: Entry | undefined,
    signal: AbortSignal,
  ): Promise<{ kafka: TopicMetadata; made: boolean }> {
    const name = entry?.kafka.topic ?? kafkaTopicName(wanted);
    const found = await this.#find(name);
    if (found !== undefined) return { kafka: found, made: false };
    const partitions = wanted.partitions;
    const configs = topicConfigs(wanted, this.#settings);
    try {
      const made = await this.#create(name, partitions, configs);
      return { kafka: await this.#visible(name, 1, signal), made };
    } catch (error) {
      const other = otherTopicName(wanted);
      if (kafkaCode(error) !== refusedName || name === other) throw error;
      const made =
        (await this.#find(other)) === undefined && (await this.#create(other, partitions, configs));
      return { kafka: await this.#visible(other, 1, signal), made };
    }
  }

  /** Answers whether this call made it: another process may have been first. */
  async #create(
    topic: string,
    numPartitions: number,
    configs: Readonly<Record<string, string>>,
  ): Promise<boolean> {
    const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }));
    const { replicationFactor, requestTimeoutMs } = this.#settings;
    try {
      await this.#carrier.call(await this.#carrier.controller(), (broker) =>
        broker.createTopics({
          topics: [{ topic, numPartitions, replicationFactor, configEntries }],
          timeout: requestTimeoutMs,
        }),
      );
      return true;
    } catch (error) {
      if (kafkaCode(error) === alreadyExists) return false;
      throw error;
    }
  }

  /** Makes the partitions that the record names and Kafka lacks, and tells how many there are. */
  async #grown({ topic }: Entry, kafka: TopicMetadata, signal: AbortSignal): Promise<StoredTopic> {
    if (kafka.leaders.length >= topic.partitions) return withPartitions(topic, kafka);
    try {
      await this.#carrier.call(await this.#carrier.controller(), (broker) =>
        broker.createPartitions({
          topicPartitions: [{ topic: kafka.name, count: topic.partitions }],
          timeout: this.#settings.requestTimeoutMs,
        }),
      );
    } catch (error) {
      if (kafkaCode(error) !== invalidPartitions) throw error; // another process has just made them
    }
    return withPartitions(topic, await this.#visible(kafka.name, topic.partitions, signal));
  }

  async #drop({ topic: { kind, name, incarnation } }: Entry, signal: AbortSignal): Promise<void> {
    await this.#registry.write({ v: 1, op: 'drop-topic', kind, topic: name, incarnation }, signal);
  }

  async #adopt(wanted: WantedTopic, kafka: TopicMetadata): Promise<StoredTopic> {
    const configs = await this.configs(kafka.name, [
      'retention.ms',
      'retention.bytes',
      'cleanup.policy',
    ]);
    return adoptedTopic(wanted, kafka.leaders.length, configs);
  }

  async #find(name: string): Promise<TopicMetadata | undefined> {
    const found = (await this.#carrier.metadata([name])).topics.get(name);
    if (found === undefined || found.errorCode === unknownTopic) return undefined;
    if (found.errorCode !== 0) throw new KafkaCode(found.errorCode);
    return found;
  }

  async #answers({ name, leaders }: TopicMetadata): Promise<boolean> {
    this.#leaders.suspect(name);
    try {
      await this.#ends.bounds(name, [...leaders.keys()]);
      return true;
    } catch (error) {
      if (leadershipCodes.includes(kafkaCode(error))) return false;
      throw error;
    }
  }

  /** Waits until the leader of every partition answers: a topic just made is not known to all brokers at once. */
  async #visible(name: string, partitions: number, signal: AbortSignal): Promise<TopicMetadata> {
    for (const deadline = Date.now() + visibleWithinMs; ; ) {
      const found = await this.#find(name);
      if (found !== undefined && found.leaders.length >= partitions && (await this.#answers(found)))
        return found;
      if (Date.now() > deadline) {
        throw new BusError(
          'DUOBUS_UNAVAILABLE',
          `the Kafka topic '${name}' has been made, but has no leaders after ${visibleWithinMs} ms`,
          { retryable: true },
        );
      }
      await pause(20, signal);
    }
  }
}

/** With the number of partitions there really are: someone else may have added some. */
function withPartitions(topic: StoredTopic, { leaders }: TopicMetadata): StoredTopic {
  return leaders.length === topic.partitions ? topic : { ...topic, partitions: leaders.length };
}

function missing(name: string, detail?: string): BusError {
  const message =
    detail === undefined
      ? `topic '${name}' does not exist (any more)`
      : `topic '${name}' does not exist: ${detail}. Run once with topology 'create'`;
  return new BusError('DUOBUS_NOT_FOUND', message, { context: { topic: name } });
}

function changed(name: string): BusError {
  return new BusError(
    'DUOBUS_CONFLICT',
    `topic '${name}' has been altered by someone else meanwhile: read it again and decide anew`,
    { context: { topic: name } },
  );
}
