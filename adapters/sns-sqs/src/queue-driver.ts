import { GetQueueAttributesCommand } from '@aws-sdk/client-sqs';
import {
  inParallel,
  abortable,
  type Binding,
  BusError,
  type Outcome,
  type OutboundRecord,
  type QueueCapabilities,
  type QueueDriver,
  type QueueMember,
  type StoredTopic,
  structuredBinding,
  type SubscriptionCounts,
  type TopologyMode,
  type WantedTopic,
} from '@duobus/core/driver';
import { ObjectCells, TopicShelf } from '@duobus/object-log';
import type { AwsNative, Connection } from './connection.ts';
import { SnsDoorbell } from './doorbell.ts';
import { queueCapabilities } from './queue-capabilities.ts';
import { DeadMember } from './queue-dead-member.ts';
import { Lingering } from './queue-lingering.ts';
import { Member } from './queue-member.ts';
import { subscriptionPrefix, topicArnOf } from './queue-names.ts';
import { OrderedMember } from './queue-ordered-member.ts';
import { width } from './queue-batches.ts';
import { QueuePublisher } from './queue-publisher.ts';
import { Pulse } from './queue-pulse.ts';
import { SubscriptionRegistry } from './queue-registry.ts';
import { type Scope, subscriptionGone } from './queue-scope.ts';
import { Seats } from './queue-seats.ts';
import { Subscriptions } from './queue-subscriptions.ts';
import { arnOf, makePartitions, makeTopic, partitionsOf, unmakeTopic } from './queue-topic.ts';

/** The event bus on SNS and SQS: a topic of SNS, and a queue of SQS for every subscription. */
export class SnsSqsQueueDriver implements QueueDriver<AwsNative> {
  readonly kind = 'queue';
  readonly capabilities: QueueCapabilities = queueCapabilities;
  readonly binding: Binding = structuredBinding;
  readonly native: AwsNative;
  readonly #connection: Connection;
  readonly #shelf: TopicShelf;
  readonly #registry: SubscriptionRegistry;
  readonly #subscriptions: Subscriptions;
  readonly #publisher: QueuePublisher;
  readonly #lingering = new Lingering();
  readonly #pulse = new Pulse();
  readonly #seats = new Seats();
  readonly #doorbell: SnsDoorbell;
  /** By incarnation: for so many partitions all subscriptions have queues. */
  readonly #filled = new Map<string, Promise<number>>();
  /** By incarnation: those who wait for one go on in the order in which they came. */
  readonly #arns = new Map<string, Promise<string>>();

  constructor(connection: Connection, native: AwsNative) {
    const { store, settings } = connection;
    this.native = native;
    this.#connection = connection;
    this.#shelf = new TopicShelf({
      store,
      kind: 'event',
      root: settings.root,
      make: (wanted, signal) => makeTopic(connection, wanted, signal),
      unmake: (notes, wanted, signal) => unmakeTopic(connection, notes, wanted, signal),
    });
    this.#registry = new SubscriptionRegistry(store, settings.root);
    this.#subscriptions = new Subscriptions(connection, this.#registry, {
      arn: (topic, signal) => this.#arn(topic, signal),
      partitions: (topic, signal) => this.#partitions(topic, signal),
    });
    this.#doorbell = new SnsDoorbell(connection);
    this.#publisher = new QueuePublisher(connection);
  }

  async open(signal: AbortSignal): Promise<void> {
    await this.#connection.open(signal);
  }

  async close(): Promise<void> {
    await Promise.all([this.#lingering.end(), this.#doorbell.close()]);
    await this.#connection.close();
  }

  ensureTopic(wanted: WantedTopic, mode: TopologyMode, signal: AbortSignal): Promise<StoredTopic> {
    return this.#shelf.ensure(wanted, mode, signal);
  }

  topics(
    names: readonly string[] | undefined,
    signal: AbortSignal,
  ): Promise<readonly StoredTopic[]> {
    return this.#shelf.topics(names, signal);
  }

  async alterTopic(
    current: StoredTopic,
    next: StoredTopic,
    signal: AbortSignal,
  ): Promise<StoredTopic> {
    // those that are made in vain cost nothing
    if (partitionsOf(next) > partitionsOf(current))
      await makePartitions(this.#connection, next, signal);
    const topic = await this.#shelf.alter(current, next, signal);
    this.#filled.delete(topic.incarnation);
    if (topic.order === 'key') await this.#fill(topic, topic.partitions - 1, signal);
    this.#doorbell.ring(channelOf(topic), 'partitions');
    return topic;
  }

  names(topic: StoredTopic, signal: AbortSignal): Promise<readonly string[]> {
    return this.#registry.names(topic, signal);
  }

  ensureSubscription(
    topic: StoredTopic,
    name: string,
    mode: TopologyMode,
    signal: AbortSignal,
  ): Promise<'created' | 'existed'> {
    return this.#subscriptions.ensure(topic, name, mode, signal);
  }

  removeSubscription(topic: StoredTopic, name: string, signal: AbortSignal): Promise<void> {
    return this.#subscriptions.remove(topic, name, signal);
  }

  async publish(
    topic: StoredTopic,
    partition: number,
    records: readonly OutboundRecord[],
    signal: AbortSignal,
  ): Promise<readonly Outcome[]> {
    let arn: string;
    try {
      this.#connection.refuseClosed();
      arn = topicArnOf(await this.#arn(topic, signal), topic, partition);
      if (topic.order === 'key') await this.#fill(topic, partition, signal);
    } catch (error) {
      if (!BusError.is(error) || error.code === 'DUOBUS_CLOSED') throw error;
      return records.map(() => ({ status: 'rejected', error }));
    }
    return this.#publisher.publish(topic, arn, records, signal);
  }

  async inspect(
    topic: StoredTopic,
    name: string,
    signal: AbortSignal,
  ): Promise<SubscriptionCounts> {
    const scope = await this.#subscriptions.scope(topic, name, signal);
    const [counts, dead] = await Promise.all([
      this.#count(scope, signal),
      this.#countDead(scope, signal),
    ]);
    return { ...counts, delayed: 0, dead, oldestMs: undefined, consumers: undefined };
  }

  async consume(
    topic: StoredTopic,
    name: string,
    source: 'main' | 'dead',
    credit: number,
    signal: AbortSignal,
  ): Promise<QueueMember> {
    const scope = await this.#subscriptions.scope(topic, name, signal);
    if (source === 'dead') return new DeadMember(scope);
    const options = { credit, lingering: this.#lingering, pulse: this.#pulse };
    if (topic.order === 'none') return new Member(scope, options);
    const seat = this.#seats.take(scope.uid);
    const channel = channelOf(topic);
    const cells = new ObjectCells({
      store: this.#connection.store,
      prefix: `${subscriptionPrefix(this.#connection.settings.root, topic, scope.uid)}cells/`,
      what: `subscription ${scope.what}`,
      ring: () => this.#doorbell.ring(channel, scope.uid),
      watch: (changed) =>
        this.#doorbell.listen(channel, (message) => {
          if (message !== scope.uid && message !== '' && message !== 'partitions') return;
          changed();
        }),
    });
    return OrderedMember.open(
      scope,
      {
        ...options,
        cells,
        owner: seat.owner,
        left: () => seat.left(),
        partitions: (during) => this.#partitions(topic, during),
        scopeOf: (partition, during) => this.#scopeOf(scope, partition, during),
      },
      signal,
    );
  }

  /** Whoever has added partitions may have died over it. */
  async #scopeOf(scope: Scope, partition: number, signal: AbortSignal): Promise<Scope> {
    if (partition < scope.queues.length) return scope.of(partition);
    const { topic, name, uid } = scope;
    for (;;) {
      await this.#fill(topic, partition, signal);
      const found = await this.#subscriptions.scope(topic, name, signal);
      if (found.uid !== uid) throw subscriptionGone(topic.name, name);
      if (partition < found.queues.length) return found.of(partition);
      // it was not there yet when all others were given theirs
      this.#filled.delete(topic.incarnation);
    }
  }

  /** Resolves when all subscriptions have a queue for that partition. */
  async #fill(topic: StoredTopic, partition: number, signal: AbortSignal): Promise<void> {
    const known = this.#filled.get(topic.incarnation) ?? this.#extend(topic, partition);
    if ((await abortable(known, signal)) > partition) return;
    // of before partitions were added
    if (this.#filled.get(topic.incarnation) === known) this.#filled.delete(topic.incarnation);
    const now = this.#filled.get(topic.incarnation) ?? this.#extend(topic, partition);
    if ((await abortable(now, signal)) > partition) return;
    throw new BusError(
      'DUOBUS_CONFLICT',
      `SNS/SQS: topic '${topic.name}' has no partition ${partition}: read its record again`,
      { retryable: true },
    );
  }

  #extend(topic: StoredTopic, partition: number): Promise<number> {
    const { incarnation } = topic;
    const extending = this.#subscriptions.extend(topic, partition, this.#connection.ended);
    extending.catch(() => {
      if (this.#filled.get(incarnation) === extending) this.#filled.delete(incarnation);
    });
    this.#filled.set(incarnation, extending);
    return extending;
  }

  async #partitions(topic: StoredTopic, signal: AbortSignal): Promise<number> {
    if (topic.order === 'none') return 1;
    return (await this.#shelf.current(topic, signal)).topic.partitions;
  }

  #arn(topic: StoredTopic, signal: AbortSignal): Promise<string> {
    let arn = this.#arns.get(topic.incarnation);
    if (arn === undefined) {
      arn = this.#shelf.notesOf(topic, this.#connection.ended).then((notes) => arnOf(notes, topic));
      arn.catch(() => this.#arns.delete(topic.incarnation));
      this.#arns.set(topic.incarnation, arn);
    }
    return abortable(arn, signal);
  }

  async #count(
    scope: Scope,
    signal: AbortSignal,
  ): Promise<{ readonly ready: number; readonly leased: number }> {
    const { what, topic, name, queues } = scope;
    try {
      const counts = await inParallel(queues, width, async ({ queueUrl }) => {
        const { Attributes = {} } = await this.#connection.sqs(
          new GetQueueAttributesCommand({
            QueueUrl: queueUrl,
            AttributeNames: [
              'ApproximateNumberOfMessages',
              'ApproximateNumberOfMessagesNotVisible',
            ],
          }),
          signal,
          `count the documents of ${what}`,
        );
        return Attributes;
      });
      const sum = (name: 'ApproximateNumberOfMessages' | 'ApproximateNumberOfMessagesNotVisible') =>
        counts.reduce((total, attributes) => total + Number(attributes[name] ?? 0), 0);
      return {
        ready: sum('ApproximateNumberOfMessages'),
        leased: sum('ApproximateNumberOfMessagesNotVisible'),
      };
    } catch (error) {
      throw BusError.is(error, 'DUOBUS_NOT_FOUND') ? subscriptionGone(topic.name, name) : error;
    }
  }

  async #countDead({ deadPrefix }: Scope, signal: AbortSignal): Promise<number> {
    let dead = 0;
    for (let after: string | undefined; ; ) {
      const options = after === undefined ? {} : { after };
      const { objects, more } = await this.#connection.store.list(deadPrefix, options, signal);
      dead += objects.length;
      after = objects.at(-1)?.key;
      if (!more || after === undefined) return dead;
    }
  }
}

/** The channel of an event topic's news: who owns its partitions, and that there are more. */
function channelOf({ name }: StoredTopic): string {
  return `events/${name}`;
}
