import { BusError, type OutboundRecord, type Place, type StoredTopic } from '@duobus/core/driver';
import type { MemoryBroker } from './broker.ts';
import { Group } from './group.ts';
import { PartitionLog } from './partition-log.ts';

/** A topic of the data bus: a log for every partition, and the groups that read it. */
export class DataTopic {
  record: StoredTopic;
  readonly #broker: MemoryBroker;
  readonly #logs: PartitionLog[] = [];
  readonly #groups = new Map<string, Group>();

  constructor(broker: MemoryBroker, record: StoredTopic) {
    this.#broker = broker;
    this.record = record;
    this.grow();
  }

  /** Groups that exist: those with a pointer, whether anybody runs or not. */
  get names(): readonly string[] {
    return [...this.#groups.values()].filter((group) => group.stored).map((group) => group.name);
  }

  get logs(): readonly PartitionLog[] {
    for (const log of this.#logs) log.trim(this.record, this.#broker.clock.now());
    return this.#logs;
  }

  /** Retention is applied whenever somebody looks. */
  log(partition: number): PartitionLog {
    const log = this.#logs[partition];
    if (log === undefined) {
      throw new BusError(
        'DUOBUS_NOT_FOUND',
        `topic ${this.record.name} has ${this.#logs.length} partitions, there is no ${partition}`,
      );
    }
    log.trim(this.record, this.#broker.clock.now());
    return log;
  }

  append(partition: number, record: OutboundRecord): Place {
    return this.log(partition).append(record, this.record, this.#broker.clock.now());
  }

  /** Wakes who waits for records of a partition. */
  wake(partition: number): void {
    this.log(partition).wake();
    for (const group of this.#groups.values()) group.ownership.owner(partition)?.fetch(partition);
  }

  group(name: string): Group {
    const existing = this.#groups.get(name);
    if (existing !== undefined) return existing;
    const { clock, limits } = this.#broker;
    const group = new Group(
      this.record.name,
      name,
      this.record.partitions,
      clock,
      limits.groupLeaseMs,
    );
    this.#groups.set(name, group);
    return group;
  }

  removeGroup(name: string): void {
    const group = this.#groups.get(name);
    if (group !== undefined && group.ownership.members.length > 0) {
      throw new BusError(
        'DUOBUS_CONFLICT',
        `group ${name} of topic ${this.record.name} is running: close its consumers first`,
      );
    }
    this.#groups.delete(name);
  }

  grow(): void {
    while (this.#logs.length < this.record.partitions)
      this.#logs.push(new PartitionLog((bytes) => this.#broker.hold(bytes)));
    for (const group of this.#groups.values()) group.ownership.grow(this.record.partitions);
  }

  removeAll(): void {
    for (const group of this.#groups.values()) {
      for (const member of group.ownership.members.slice()) member.gone();
    }
    for (const log of this.#logs) log.clear();
  }
}
