import { randomUUID } from 'node:crypto';
import {
  abortable,
  type Binding,
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
import type { Connection, ScriptArgument } from './connection.ts';
import { inspectScript, removeScript, removeSliceScript } from './event-admin-scripts.ts';
import { joinScript, subscribeScript } from './event-scripts.ts';
import { nativeOf, type RedisNative } from './native.ts';
import { queueCapabilities } from './queue-capabilities.ts';
import { DeadMember } from './queue-dead-member.ts';
import { type Joined, UnorderedMember } from './queue-member.ts';
import { OrderedMember } from './queue-ordered-member.ts';
import { QueuePublisher } from './queue-publisher.ts';
import { eventTag, Scope, subscriptionGone } from './queue-scope.ts';
import { type Seat, Seats } from './queue-seats.ts';
import type { Script } from './script.ts';
import { TopicRegistry } from './topic-registry.ts';

/** The event bus on Redis: streams, and a consumer group on them for every subscription. */
export class RedisQueueDriver implements QueueDriver<RedisNative> {
  readonly kind = 'queue';
  readonly capabilities: QueueCapabilities;
  readonly binding: Binding = structuredBinding;
  readonly native: RedisNative;
  readonly #connection: Connection;
  readonly #registry: TopicRegistry;
  readonly #publisher: QueuePublisher;
  readonly #seats = new Seats();

  constructor(connection: Connection) {
    this.capabilities = queueCapabilities(connection.settings);
    this.#connection = connection;
    this.#registry = new TopicRegistry(this.#connection, 'event');
    this.#publisher = new QueuePublisher(this.#connection);
    this.native = nativeOf(this.#connection);
  }

  async open(signal: AbortSignal): Promise<void> {
    await this.#connection.open(signal);
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  ensureTopic(wanted: WantedTopic, mode: TopologyMode, signal: AbortSignal): Promise<StoredTopic> {
    return abortable(this.#registry.ensureTopic(wanted, mode), signal);
  }

  topics(
    names: readonly string[] | undefined,
    signal: AbortSignal,
  ): Promise<readonly StoredTopic[]> {
    return abortable(this.#registry.topics(names), signal);
  }

  alterTopic(current: StoredTopic, next: StoredTopic, signal: AbortSignal): Promise<StoredTopic> {
    return abortable(this.#registry.alterTopic(current, next), signal);
  }

  async names(topic: StoredTopic, signal: AbortSignal): Promise<readonly string[]> {
    const found = this.#connection.with(
      'commands',
      `list the subscriptions of topic '${topic.name}'`,
      (client) => client.hkeys(`${eventTag(topic)}:subs`),
    );
    return (await abortable(found, signal)).toSorted();
  }

  async ensureSubscription(
    topic: StoredTopic,
    name: string,
    mode: TopologyMode,
    signal: AbortSignal,
  ): Promise<'created' | 'existed'> {
    const making = this.#connection.runKept(
      'commands',
      subscribeScript,
      [eventTag(topic)],
      [name, mode],
      `make subscription '${name}' of topic '${topic.name}'`,
      () => mode === 'create',
    );
    const answer = await abortable(making, signal);
    if (answer === 'missing') throw subscriptionGone(topic.name, name);
    return answer as 'created' | 'existed';
  }

  async removeSubscription(topic: StoredTopic, name: string, signal: AbortSignal): Promise<void> {
    await this.#run(removeScript, topic, [name], 'remove', signal);
    for (let more: unknown = 1; more === 1; )
      more = await this.#run(removeSliceScript, topic, [name], 'remove', signal);
  }

  publish(
    topic: StoredTopic,
    partition: number,
    records: readonly OutboundRecord[],
    signal: AbortSignal,
  ): Promise<readonly Outcome[]> {
    return this.#publisher.publish(topic, partition, records, signal);
  }

  async inspect(
    topic: StoredTopic,
    name: string,
    signal: AbortSignal,
  ): Promise<SubscriptionCounts> {
    const counts = await this.#run(inspectScript, topic, [name], 'count', signal);
    if (counts === null) throw subscriptionGone(topic.name, name);
    const [ready, leased, delayed, dead, oldestMs, consumers] = counts as Six;
    return {
      ready,
      leased,
      delayed,
      dead,
      consumers,
      oldestMs: oldestMs < 0 ? undefined : oldestMs,
    };
  }

  async consume(
    topic: StoredTopic,
    name: string,
    source: 'main' | 'dead',
    credit: number,
    signal: AbortSignal,
  ): Promise<QueueMember> {
    const id = randomUUID();
    if (source === 'dead') {
      const uid = await this.#uid(topic, name, signal);
      return new DeadMember(new Scope(this.#connection, topic, name, uid), id);
    }
    const seat = this.#seats.take(topic, name);
    const at = performance.now();
    const uid = await this.#join(topic, name, id, seat, signal);
    const joined: Joined = {
      scope: new Scope(this.#connection, topic, name, uid),
      id,
      at,
      left: (how) => seat.left(id, how),
    };
    if (topic.order === 'none') return new UnorderedMember(joined, credit);
    const partitions = async (during: AbortSignal): Promise<number> =>
      (await abortable(this.#registry.current(topic), during)).partitions;
    return OrderedMember.open(joined, { credit, owner: seat.owner, partitions }, signal);
  }

  async #join(
    topic: StoredTopic,
    name: string,
    id: string,
    seat: Seat,
    signal: AbortSignal,
  ): Promise<string> {
    const { leaseMs } = this.#connection.settings;
    try {
      const uid = await this.#run(
        joinScript,
        topic,
        [name, id, leaseMs, ...seat.over],
        'join',
        signal,
      );
      if (uid === null) throw subscriptionGone(topic.name, name);
      seat.told();
      return uid as string;
    } catch (error) {
      // it may have joined all the same
      seat.left(id, 'failed');
      throw error;
    }
  }

  async #uid(topic: StoredTopic, name: string, signal: AbortSignal): Promise<string> {
    const found = this.#connection.with('commands', `look for subscription '${name}'`, (client) =>
      client.hget(`${eventTag(topic)}:subs`, name),
    );
    const uid = await abortable(found, signal);
    if (uid === null) throw subscriptionGone(topic.name, name);
    return uid;
  }

  #run(
    code: Script,
    topic: StoredTopic,
    args: readonly ScriptArgument[],
    verb: string,
    signal: AbortSignal,
  ): Promise<unknown> {
    const tried = `${verb} subscription '${String(args[0])}' of topic '${topic.name}'`;
    return abortable(
      this.#connection.run('commands', code, [eventTag(topic)], args, tried),
      signal,
    );
  }
}

type Six = readonly [number, number, number, number, number, number];
