import {
  type Binding,
  BusError,
  type Outcome,
  type OutboundRecord,
  type QueueCapabilities,
  type QueueDriver,
  type QueueMember,
  type StoredTopic,
  type SubscriptionCounts,
  type TopologyMode,
  type WantedTopic,
} from '@duobus/core/driver';
import { queueCapabilities } from './capabilities.ts';
import type { AmqpQueueInfo } from './client.ts';
import { DeadMember } from './dead-member.ts';
import { DelayQueues } from './delay-queues.ts';
import { BrokerLinks } from './links.ts';
import type { RabbitmqNative } from './native.ts';
import { isMissing } from './native-errors.ts';
import type { Settings } from './options.ts';
import { OrderedMember } from './ordered-member.ts';
import { type MemberContext, UnorderedMember } from './queue-member.ts';
import { binding, bodyOf, encodeRecord } from './record-codec.ts';
import { RegistryStream } from './registry-stream.ts';
import { TopicRecords } from './topic-records.ts';
import { exchangeName, queuesOf } from './topology.ts';

/** The event bus on RabbitMQ: an exchange per topic, a quorum queue per subscription (and partition). */
export class RabbitmqQueueDriver implements QueueDriver<RabbitmqNative> {
  readonly kind = 'queue';
  readonly capabilities: QueueCapabilities;
  readonly binding: Binding = binding;
  readonly native: RabbitmqNative;
  readonly #settings: Settings;
  readonly #links: BrokerLinks;
  readonly #topics: TopicRecords;
  readonly #delays: DelayQueues;

  constructor(settings: Settings) {
    this.#settings = settings;
    this.capabilities = Object.freeze({
      ...queueCapabilities,
      leaseMs: settings.consumerTimeoutMs,
    });
    this.#links = new BrokerLinks(settings);
    const registry = new RegistryStream(this.#links);
    this.#delays = new DelayQueues(this.#links, registry);
    this.#topics = new TopicRecords(this.#links, registry, this.#delays);
    this.native = this.#links.native;
  }

  async open(signal: AbortSignal): Promise<void> {
    await this.#links.open(signal);
  }

  async close(): Promise<void> {
    await this.#links.close();
  }

  async ensureTopic(
    wanted: WantedTopic,
    mode: TopologyMode,
    signal: AbortSignal,
  ): Promise<StoredTopic> {
    return this.#topics.ensureTopic(wanted, mode, signal);
  }

  async topics(
    names: readonly string[] | undefined,
    signal: AbortSignal,
  ): Promise<readonly StoredTopic[]> {
    return this.#topics.topics(names, signal);
  }

  async alterTopic(
    current: StoredTopic,
    next: StoredTopic,
    signal: AbortSignal,
  ): Promise<StoredTopic> {
    return this.#topics.alterTopic(current, next, signal);
  }

  async names(topic: StoredTopic, signal: AbortSignal): Promise<readonly string[]> {
    return this.#topics.names(topic, signal);
  }

  async ensureSubscription(
    topic: StoredTopic,
    name: string,
    mode: TopologyMode,
    signal: AbortSignal,
  ): Promise<'created' | 'existed'> {
    return this.#topics.ensureSubscription(topic, name, mode, signal);
  }

  async removeSubscription(topic: StoredTopic, name: string, signal: AbortSignal): Promise<void> {
    return this.#topics.removeSubscription(topic, name, signal);
  }

  async publish(
    topic: StoredTopic,
    partition: number,
    records: readonly OutboundRecord[],
    signal: AbortSignal,
  ): Promise<readonly Outcome[]> {
    const exchange = exchangeName(topic.name);
    const routingKey = topic.order === 'key' ? String(partition) : '';
    const sendings = records.map((record) => ({
      exchange,
      routingKey,
      body: bodyOf(record),
      options: encodeRecord(record),
    }));
    return this.#links.events().send(sendings, signal);
  }

  async inspect(
    topic: StoredTopic,
    name: string,
    signal: AbortSignal,
  ): Promise<SubscriptionCounts> {
    const queues = queuesOf(topic, name);
    const delays = await this.#delays.of(queues, signal);
    const ordered = topic.order === 'key';
    const main = ordered
      ? Array.from({ length: topic.partitions }, (_, index) => queues.main(index))
      : [queues.main(0), queues.suspects];
    // each member consumes this one, whatever else it has
    const joined = ordered ? queues.members : queues.main(0);
    const [counted, delayed] = await Promise.all([
      this.#count([...new Set([...main, queues.dead, joined])], topic, name, signal),
      this.#delays.count(delays, signal),
    ]);
    const sum = (names: readonly string[]): number =>
      names.reduce((total, queue) => total + (counted.get(queue)?.messageCount ?? 0), 0);
    return {
      ready: sum(main),
      leased: undefined,
      delayed,
      dead: sum([queues.dead]),
      oldestMs: undefined,
      consumers: counted.get(joined)?.consumerCount,
    };
  }

  async consume(
    topic: StoredTopic,
    name: string,
    source: 'main' | 'dead',
    credit: number,
    signal: AbortSignal,
  ): Promise<QueueMember> {
    const queues = queuesOf(topic, name);
    const connection = await this.#links.members(signal);
    const context: MemberContext = {
      connection,
      copies: this.#links.copies(),
      queues,
      delays: this.#delays,
    };
    this.#delays.recheck(queues);
    if (source === 'dead') return DeadMember.open(context, signal);
    if (topic.order === 'none') return UnorderedMember.open(context, credit, signal);
    const { consumerTimeoutMs } = this.#settings;
    const partitions = (during: AbortSignal): Promise<number> =>
      this.#topics.partitions(topic, during);
    return OrderedMember.open(context, { credit, consumerTimeoutMs, partitions }, signal);
  }

  /** Ready messages and consumers of queues that must exist. */
  async #count(
    queues: readonly string[],
    topic: StoredTopic,
    name: string,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, AmqpQueueInfo>> {
    const tried = `inspect subscription '${name}' of topic '${topic.name}'`;
    try {
      return await this.#links.consume().with(tried, signal, async (channel) => {
        const counts = await Promise.all(queues.map((queue) => channel.checkQueue(queue)));
        return new Map(counts.map((info) => [info.queue, info]));
      });
    } catch (error) {
      if (!isMissing(error) || signal.aborted) throw error;
      const message = `RabbitMQ: topic '${topic.name}' has no subscription '${name}'; subscribe to make it`;
      throw new BusError('DUOBUS_NOT_FOUND', message, {
        cause: error,
        context: { topic: topic.name, name },
      });
    }
  }
}
