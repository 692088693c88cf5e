import type {
  Binding,
  Outcome,
  OutboundRecord,
  QueueCapabilities,
  QueueDriver,
  QueueMember,
  StoredTopic,
  SubscriptionCounts,
  TopologyMode,
  WantedTopic,
} from '@duobus/core/driver';
import type { MemoryBroker } from './broker.ts';
import { queueCapabilities } from './capabilities.ts';
import type { Connection } from './connection.ts';
import { publishAll } from './publish.ts';
import { MemoryQueueMember } from './queue-member.ts';
import { binding } from './record-codec.ts';
import { rejected } from './stored.ts';

/** The event bus half. */
export class MemoryQueueDriver implements QueueDriver<MemoryBroker> {
  readonly kind = 'queue';
  readonly native: MemoryBroker;
  readonly binding: Binding = binding;
  readonly capabilities: QueueCapabilities;
  readonly #connection: Connection;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.native = connection.broker;
    this.capabilities = queueCapabilities(connection.broker.limits);
  }

  async open(signal: AbortSignal): Promise<void> {
    this.#connection.open(signal);
  }

  async close(): Promise<void> {
    this.#connection.close();
  }

  async ensureTopic(
    wanted: WantedTopic,
    mode: TopologyMode,
    signal: AbortSignal,
  ): Promise<StoredTopic> {
    this.#connection.check(signal);
    return this.native.events.ensure(wanted, mode);
  }

  async topics(
    names: readonly string[] | undefined,
    signal: AbortSignal,
  ): Promise<readonly StoredTopic[]> {
    this.#connection.check(signal);
    return this.native.events.list(names);
  }

  async alterTopic(
    current: StoredTopic,
    next: StoredTopic,
    signal: AbortSignal,
  ): Promise<StoredTopic> {
    this.#connection.check(signal);
    const topic = this.native.events.alter(current, next);
    topic.grow();
    return topic.record;
  }

  async names(topic: StoredTopic, signal: AbortSignal): Promise<readonly string[]> {
    this.#connection.check(signal);
    return this.native.events.get(topic).names;
  }

  async ensureSubscription(
    topic: StoredTopic,
    name: string,
    mode: TopologyMode,
    signal: AbortSignal,
  ): Promise<'created' | 'existed'> {
    this.#connection.check(signal);
    return this.native.events.get(topic).ensure(name, mode);
  }

  async removeSubscription(topic: StoredTopic, name: string, signal: AbortSignal): Promise<void> {
    this.#connection.check(signal);
    this.native.events.get(topic).remove(name);
  }

  async publish(
    topic: StoredTopic,
    partition: number,
    records: readonly OutboundRecord[],
    signal: AbortSignal,
  ): Promise<readonly Outcome[]> {
    const refusal = this.#connection.refusal();
    if (refusal !== undefined) return records.map(() => rejected(refusal));
    this.#connection.check(signal);
    const state = this.native.events.get(topic);
    const outcomes = publishAll(this.native, records, false, (record) =>
      state.add(record, partition),
    );
    state.dispatch();
    return outcomes;
  }

  async inspect(
    topic: StoredTopic,
    name: string,
    signal: AbortSignal,
  ): Promise<SubscriptionCounts> {
    this.#connection.check(signal);
    return this.native.events.get(topic).subscription(name).counts();
  }

  async consume(
    topic: StoredTopic,
    name: string,
    source: 'main' | 'dead',
    credit: number,
    signal: AbortSignal,
  ): Promise<QueueMember> {
    this.#connection.check(signal);
    const subscription = this.native.events.get(topic).subscription(name);
    return new MemoryQueueMember(this.#connection, topic.name, subscription, source, credit);
  }
}
