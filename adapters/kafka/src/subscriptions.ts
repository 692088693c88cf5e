import { randomBytes } from 'node:crypto';
import { BusError, type StoredTopic, type TopologyMode } from '@duobus/core/driver';
import type { Connection } from './connection.ts';
import { evict } from './group-eviction.ts';
import { type GroupShares, partitionsIn } from './group-shares.ts';
import { deleteGroup } from './pointer-edit.ts';
import { commitPointers, nobody } from './pointer-store.ts';
import type { SubscriptionRecord } from './registry-topic.ts';
import {
  deadGroup,
  ownPartitions,
  ownTopicConfigs,
  ownTopicName,
  subscriptionGroup,
} from './topology.ts';
import { pause } from './waiting.ts';

/** The number by which the members of a subscription know its partition of retries. */
export const retries = -1;
/** The number of the dead letters among the pointers that are kept once more. */
export const dead = -2;

/** A subscription, and what of Kafka belongs to it. */
export interface Subscription extends SubscriptionRecord {
  readonly topic: StoredTopic;
  readonly name: string;
  /** The Kafka topic that the documents are in. */
  readonly kafkaTopic: string;
  /** Its own Kafka topic: retries, dead letters, what is known of its pointers. */
  readonly own: string;
  readonly group: string;
  readonly deadGroup: string;
}

/** The subscriptions of event topics: the registry says which there are. */
export class Subscriptions {
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  async all(topic: StoredTopic): Promise<readonly Subscription[]> {
    await this.#connection.registry.load();
    return this.known(topic);
  }

  /** Those that this process knows of. */
  known(topic: StoredTopic): readonly Subscription[] {
    const { registry, store } = this.#connection;
    const kafkaTopic = store.known(topic)?.topic;
    if (kafkaTopic === undefined) return [];
    return [...registry.subscriptions(topic)].map(([name, record]) =>
      subscriptionOf(topic, name, kafkaTopic, record),
    );
  }

  /** @throws BusError DUOBUS_NOT_FOUND */
  async find(topic: StoredTopic, name: string): Promise<Subscription> {
    const { topic: kafkaTopic } = await this.#connection.store.kept(topic);
    await this.#connection.registry.load();
    const record = this.#connection.registry.subscriptions(topic).get(name);
    if (record === undefined) throw missing(topic, name);
    return subscriptionOf(topic, name, kafkaTopic, record);
  }

  async ensure(
    topic: StoredTopic,
    name: string,
    mode: TopologyMode,
    signal: AbortSignal,
  ): Promise<'created' | 'existed'> {
    const { registry, store } = this.#connection;
    const { name: kafkaTopic, leaders } = await store.current(topic);
    await registry.load();
    if (registry.subscriptions(topic).has(name)) return 'existed';
    if (mode === 'check') throw missing(topic, name);
    const ends = await this.#connection.ends.bounds(kafkaTopic, [...leaders.keys()]);
    const starts = ends.map(({ end }) => end.offset);
    const made = subscriptionOf(topic, name, kafkaTopic, { id: newId(), starts });
    await this.#make(made, signal);
    const { id } = made;
    const subscription = { incarnation: topic.incarnation, id, starts };
    await registry.write(
      { v: 1, op: 'name', kind: 'event', topic: topic.name, name, subscription },
      signal,
    );
    if (registry.subscriptions(topic).get(name)?.id === id) return 'created';
    // another was first: nobody knows of what was made here
    await this.#unmake(made, signal);
    return 'existed';
  }

  async remove(topic: StoredTopic, name: string, signal: AbortSignal): Promise<void> {
    let subscription: Subscription;
    try {
      subscription = await this.find(topic, name);
    } catch (error) {
      if (BusError.is(error, 'DUOBUS_NOT_FOUND')) return;
      throw error;
    }
    const { id, starts } = subscription;
    const dropped = { incarnation: topic.incarnation, id, starts };
    await this.#connection.registry.write(
      { v: 1, op: 'drop-name', kind: 'event', topic: topic.name, name, subscription: dropped },
      signal,
    );
    await this.#unmake(subscription, signal);
  }

  /** What the members of its group share out. Asking how many there are tells whether it still exists. */
  shares(subscription: Subscription): GroupShares {
    const { topic } = subscription;
    const { store } = this.#connection;
    return {
      ...placesOf(subscription),
      companion: retries,
      count: async () => {
        await this.check(subscription);
        return (await store.current(topic)).leaders.length;
      },
    };
  }

  /** @throws BusError DUOBUS_NOT_FOUND when it was removed, or made anew since */
  async check({ topic, name, id }: Subscription): Promise<void> {
    await this.#connection.registry.load();
    if (this.#connection.registry.subscriptions(topic).get(name)?.id !== id)
      throw missing(topic, name);
  }

  /** Its start is durable in its group before anybody can know of it. */
  async #make(subscription: Subscription, signal: AbortSignal): Promise<void> {
    const { kafkaTopic, group, own, starts } = subscription;
    const { control, settings, store } = this.#connection;
    const limit = Number((await store.configs(kafkaTopic, [maxBytes])).get(maxBytes) ?? 1_048_588);
    const writes = starts.map((offset, partition) => ({
      partition,
      pointer: { place: { offset, time: 0 }, text: '' },
    }));
    await Promise.all([
      store.make(own, Object.keys(ownPartitions).length, ownTopicConfigs(limit, settings), signal),
      control.coordinated(group, signal, (broker) =>
        commitPointers(broker, group, partitionsIn(kafkaTopic), nobody, writes),
      ),
    ]);
  }

  async #unmake(
    { own, group, deadGroup: dead, name }: Subscription,
    signal: AbortSignal,
  ): Promise<void> {
    const { control, store } = this.#connection;
    for (const id of [group, dead]) {
      for (;;) {
        await evict(control, id, () => true, signal);
        try {
          await deleteGroup(control, id, name, signal);
          break;
        } catch (error) {
          if (!BusError.is(error, 'DUOBUS_CONFLICT')) throw error;
          await pause(20, signal); // one was just joining: it finds out that the subscription is gone
        }
      }
    }
    await store.unmake(own);
  }
}

/** Where the partitions are that a subscription has pointers for. */
export function placesOf({ kafkaTopic, own }: Subscription): Pick<GroupShares, 'topic' | 'at'> {
  const main = partitionsIn(kafkaTopic);
  const apart = { topic: own, partition: ownPartitions.retries };
  return { ...main, at: (partition) => (partition === retries ? apart : main.at(partition)) };
}

const maxBytes = 'max.message.bytes';

function subscriptionOf(
  topic: StoredTopic,
  name: string,
  kafkaTopic: string,
  { id, starts }: SubscriptionRecord,
): Subscription {
  return {
    topic,
    name,
    kafkaTopic,
    id,
    starts,
    own: ownTopicName(topic.name, name, id),
    group: subscriptionGroup(topic.name, name, id),
    deadGroup: deadGroup(topic.name, name, id),
  };
}

function newId(): string {
  return randomBytes(6).toString('hex');
}

function missing({ name: topic }: StoredTopic, name: string): BusError {
  return new BusError(
    'DUOBUS_NOT_FOUND',
    `topic '${topic}' has no subscription '${name}' (any more): subscribe to make it`,
    { context: { topic, name } },
  );
}
