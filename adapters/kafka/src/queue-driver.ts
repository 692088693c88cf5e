import {
  type Binding,
  BusError,
  type LogRecord,
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
import type { KafkaClient } from './client.ts';
import { Connection } from './connection.ts';
import { Copies } from './copies.ts';
import { deadShares, KafkaDeadMember } from './dead-member.ts';
import { membersOf } from './group-eviction.ts';
import { GroupMember } from './group-member.ts';
import { Ledger } from './ledger.ts';
import { classify } from './native-errors.ts';
import type { Settings } from './options.ts';
import { PointerBackup } from './pointer-backup.ts';
import { KafkaQueueMember } from './queue-member.ts';
import { binding } from './record-codec.ts';
import { dead, retries, type Subscription, Subscriptions } from './subscriptions.ts';
import { keepsAll, ownPartitions } from './topology.ts';
import { Trimmer } from './trimmer.ts';

/** A process may have hundreds of subscriptions with nothing to do; nothing is reset here, so that nobody waits. */
const idleWaitMs = 1_000;

/** The event bus half: a Kafka topic per topic, a group and a topic of its own per subscription. */
export class KafkaQueueDriver implements QueueDriver<KafkaClient> {
  readonly kind = 'queue';
  readonly native: KafkaClient;
  readonly binding: Binding = binding;
  readonly capabilities: QueueCapabilities;
  readonly #connection: Connection;
  readonly #subscriptions: Subscriptions;
  readonly #copies: Copies;
  readonly #backup: PointerBackup;
  readonly #trimmer: Trimmer;
  readonly #members = new Set<QueueMember>();

  constructor(settings: Settings) {
    this.#connection = new Connection(settings, 'event');
    this.native = this.#connection.native;
    this.capabilities = queueCapabilities(settings);
    this.#subscriptions = new Subscriptions(this.#connection);
    this.#copies = new Copies(this.#connection.producer, this.#connection.closed);
    this.#backup = new PointerBackup(this.#connection, this.#copies);
    this.#trimmer = new Trimmer(this.#connection, this.#subscriptions, this.#backup);
  }

  async open(signal: AbortSignal): Promise<void> {
    await this.#connection.open(signal);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#members].map((member) => member.close()));
    await this.#trimmer.close();
    await this.#connection.close();
  }

  /** A topic without order has partitions all the same: its consumers share them. */
  async ensureTopic(
    wanted: WantedTopic,
    mode: TopologyMode,
    signal: AbortSignal,
  ): Promise<StoredTopic> {
    const { unorderedPartitions } = this.#connection.settings;
    const partitions = wanted.order === 'none' ? unorderedPartitions : wanted.partitions;
    const topic = await this.#connection.ensureTopic({ ...wanted, partitions }, mode, signal);
    await this.#connection.run(`looking at topic '${wanted.name}'`, signal, () =>
      this.#checkKeeps(topic),
    );
    return topic;
  }

  async topics(
    names: readonly string[] | undefined,
    signal: AbortSignal,
  ): Promise<readonly StoredTopic[]> {
    return await this.#connection.topics(names, signal);
  }

  async alterTopic(
    current: StoredTopic,
    next: StoredTopic,
    signal: AbortSignal,
  ): Promise<StoredTopic> {
    return await this.#connection.alterTopic(current, next, signal);
  }

  async names(topic: StoredTopic, signal: AbortSignal): Promise<readonly string[]> {
    return await this.#connection.run(
      `listing the subscriptions of topic '${topic.name}'`,
      signal,
      async () => (await this.#subscriptions.all(topic)).map(({ name }) => name).toSorted(),
    );
  }

  async ensureSubscription(
    topic: StoredTopic,
    name: string,
    mode: TopologyMode,
    signal: AbortSignal,
  ): Promise<'created' | 'existed'> {
    return await this.#connection.run(
      `making sure of subscription '${name}' of topic '${topic.name}'`,
      signal,
      (inner) => this.#subscriptions.ensure(topic, name, mode, inner),
    );
  }

  async removeSubscription(topic: StoredTopic, name: string, signal: AbortSignal): Promise<void> {
    await this.#connection.run(
      `removing subscription '${name}' of topic '${topic.name}'`,
      signal,
      (inner) => this.#subscriptions.remove(topic, name, inner),
    );
    this.#trimmer.published(topic);
  }

  async publish(
    topic: StoredTopic,
    partition: number,
    records: readonly OutboundRecord[],
    signal: AbortSignal,
  ): Promise<readonly Outcome[]> {
    const attempt = `publishing to topic '${topic.name}'`;
    const { topic: name } = await this.#connection.kept(topic, attempt, signal);
    const outcomes = await this.#connection.producer.append(name, partition, records, signal);
    this.#trimmer.published(topic);
    return outcomes;
  }

  async inspect(
    topic: StoredTopic,
    name: string,
    signal: AbortSignal,
  ): Promise<SubscriptionCounts> {
    return await this.#connection.run(
      `inspecting subscription '${name}' of topic '${topic.name}'`,
      signal,
      async (inner) => this.#count(await this.#subscriptions.find(topic, name), inner),
    );
  }

  async consume(
    topic: StoredTopic,
    name: string,
    source: 'main' | 'dead',
    credit: number,
    signal: AbortSignal,
  ): Promise<QueueMember> {
    return await this.#connection.run(
      `consuming subscription '${name}' of topic '${topic.name}'`,
      signal,
      async (inner) => {
        const subscription = await this.#subscriptions.find(topic, name);
        return source === 'main'
          ? await this.#main(subscription, credit, inner)
          : await this.#dead(subscription, inner);
      },
    );
  }

  async #main(
    subscription: Subscription,
    credit: number,
    signal: AbortSignal,
  ): Promise<QueueMember> {
    const shares = this.#subscriptions.shares(subscription);
    const group = this.#groupMember(subscription, subscription.group, shares, () => member);
    await group.open(signal);
    const member = new KafkaQueueMember({
      subscription,
      group,
      copies: this.#copies,
      ends: this.#connection.ends,
      credit,
      readRetries: (offset) => this.#read(subscription, ownPartitions.retries, offset),
      restore: (partition) => this.#backup.restore(subscription, partition),
      settled: () => this.#trimmer.settled(subscription),
    });
    return await this.#keep(member);
  }

  async #dead(subscription: Subscription, signal: AbortSignal): Promise<QueueMember> {
    const { ends } = this.#connection;
    const shares = deadShares(subscription, () => this.#subscriptions.check(subscription));
    const group = this.#groupMember(subscription, subscription.deadGroup, shares, () => member);
    await group.open(signal);
    const member = new KafkaDeadMember({
      subscription,
      group,
      copies: this.#copies,
      ends,
      restore: () => this.#backup.restore(subscription, dead),
      read: (offset) => this.#read(subscription, ownPartitions.dead, offset),
      settled: () => this.#trimmer.settled(subscription),
    });
    return await this.#keep(member);
  }

  #groupMember(
    subscription: Subscription,
    groupId: string,
    shares: ReturnType<Subscriptions['shares']>,
    member: () => QueueMember,
  ): GroupMember {
    const { settings, ends } = this.#connection;
    return new GroupMember({
      settings,
      ends,
      groupId,
      shares,
      topic: subscription.topic.name,
      group: subscription.name,
      idleWaitMs,
      left: () => this.#members.delete(member()),
    });
  }

  /** Some records of a subscription's own topic. */
  async #read(
    { own }: Subscription,
    partition: number,
    offset: number,
  ): Promise<readonly LogRecord[]> {
    const { reader, closed } = this.#connection;
    const from = { offset, time: 0 };
    return (await reader.read(own, partition, from, { maxBytes: 262_144, maxWaitMs: 0 }, closed))
      .records;
  }

  async #keep<T extends QueueMember>(member: T): Promise<T> {
    this.#members.add(member);
    if (this.#connection.closed.aborted) await member.close();
    return member;
  }

  async #count(subscription: Subscription, signal: AbortSignal): Promise<SubscriptionCounts> {
    const { store, ends, control } = this.#connection;
    const { name, leaders } = await store.current(subscription.topic);
    const numbers = [...leaders.keys()];
    // pointers first: what is settled meanwhile then counts as held, never the other way round
    const pointers = await this.#backup.current(subscription, numbers);
    const [main, own, members] = await Promise.all([
      ends.bounds(name, numbers),
      ends.bounds(subscription.own, [ownPartitions.retries, ownPartitions.dead]),
      membersOf(control, subscription.group, signal),
    ]);
    const held = (number: number, { first, end }: (typeof main)[number]): number => {
      const stored = pointers.get(number);
      const start = stored?.place.offset ?? subscription.starts[number] ?? 0;
      const ledger = new Ledger(start, stored?.text ?? '');
      ledger.startsAt(first.offset);
      return ledger.open + Math.max(0, end.offset - ledger.high);
    };
    const [waiting, letters] = own;
    return {
      ready: main.reduce((sum, bounds, number) => sum + held(number, bounds), 0),
      leased: undefined,
      delayed: waiting === undefined ? 0 : held(retries, waiting),
      dead: letters === undefined ? 0 : held(dead, letters),
      oldestMs: undefined,
      consumers: members.length,
    };
  }

  /** Empty where the user may not look: who set the topic up may. */
  async #configsOf(name: string): Promise<ReadonlyMap<string, string | null>> {
    try {
      return await this.#connection.store.configs(name, Object.keys(keepsAll));
    } catch (error) {
      if (classify(error).code !== 'DUOBUS_PERMISSION') throw error;
      return new Map();
    }
  }

  /** A topic that was there before, or that somebody has changed, must not drop documents that nobody has read. */
  async #checkKeeps(topic: StoredTopic): Promise<void> {
    const { store } = this.#connection;
    const { topic: name } = await store.kept(topic);
    const configs = await this.#configsOf(name);
    for (const [config, wanted] of Object.entries(keepsAll)) {
      const found = configs.get(config) ?? wanted;
      if (found === wanted) continue;
      throw new BusError(
        'DUOBUS_TOPIC_MISMATCH',
        `the Kafka topic '${name}' has ${config}=${found}: it would drop documents of topic '${topic.name}' that a subscription has not read. Set ${config}=${wanted}`,
        { context: { topic: topic.name, config, found } },
      );
    }
  }
}
