import {
  BusError,
  type OutboundRecord,
  type StoredTopic,
  type TopologyMode,
} from '@duobus/core/driver';
import type { MemoryBroker } from './broker.ts';
import { store } from './stored.ts';
import { Subscription } from './subscription.ts';

/** A topic of the event bus: nothing but its subscriptions. */
export class EventTopic {
  record: StoredTopic;
  readonly #broker: MemoryBroker;
  readonly #subscriptions = new Map<string, Subscription>();

  constructor(broker: MemoryBroker, record: StoredTopic) {
    this.#broker = broker;
    this.record = record;
  }

  get names(): readonly string[] {
    return [...this.#subscriptions.keys()];
  }

  ensure(name: string, mode: TopologyMode): 'created' | 'existed' {
    if (this.#subscriptions.has(name)) return 'existed';
    if (mode === 'check') this.subscription(name);
    const { clock, limits } = this.#broker;
    const leaseMs = { queue: limits.queueLeaseMs, group: limits.groupLeaseMs };
    this.#subscriptions.set(
      name,
      new Subscription(this.record, name, clock, leaseMs, (bytes) => this.#broker.hold(-bytes)),
    );
    return 'created';
  }

  subscription(name: string): Subscription {
    const subscription = this.#subscriptions.get(name);
    if (subscription !== undefined) return subscription;
    throw new BusError(
      'DUOBUS_NOT_FOUND',
      `topic ${this.record.name} has no subscription ${name}`,
      { context: { topic: this.record.name, name } },
    );
  }

  remove(name: string): void {
    const subscription = this.#subscriptions.get(name);
    this.#subscriptions.delete(name);
    subscription?.remove((member) => member.gone());
  }

  removeAll(): void {
    for (const name of this.names) this.remove(name);
  }

  /** The caller says `dispatch` after the last. */
  add(record: OutboundRecord, partition: number): void {
    const stored = store(record, this.#broker.clock.now());
    this.#broker.hold(stored.bytes * this.#subscriptions.size);
    for (const subscription of this.#subscriptions.values()) subscription.add(stored, partition);
  }

  dispatch(): void {
    for (const subscription of this.#subscriptions.values()) subscription.dispatch();
  }

  grow(): void {
    if (this.record.order === 'none') return;
    for (const subscription of this.#subscriptions.values())
      subscription.grow(this.record.partitions);
  }
}
