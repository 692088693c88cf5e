import {
  BusError,
  hasPointers,
  type OutboundRecord,
  type Place,
  type StoredTopic,
} from '@duobus/core/driver';
import type { MemoryBroker } from './broker.ts';
import { GroupCells } from './group-cells.ts';
import type { LogReader } from './log-reader.ts';
import { PartitionLog } from './partition-log.ts';

/** A topic of the data bus: a log for every partition, and the groups that read it. */
export class DataTopic {
  record: StoredTopic;
  readonly #broker: MemoryBroker;
  readonly #logs: PartitionLog[] = [];
  readonly #groups = new Map<string, GroupCells>();
  /** Of the members that run. */
  readonly readers: Set<LogReader> = new Set();

  constructor(broker: MemoryBroker, record: StoredTopic) {
    this.#broker = broker;
    this.record = record;
    this.grow();
  }

  /** Groups that exist: those with a pointer, whether anybody runs or not. */
  get names(): readonly string[] {
    return [...this.#groups].flatMap(([name, { all }]) => (hasPointers(all) ? [name] : []));
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
  }

  group(name: string): GroupCells {
    const cells = this.#groups.get(name) ?? new GroupCells();
    this.#groups.set(name, cells);
    return cells;
  }

  removeGroup(name: string): void {
    this.#groups.delete(name);
  }

  grow(): void {
    for (const cells of this.#groups.values()) cells.tell();
    while (this.#logs.length < this.record.partitions)
      this.#logs.push(new PartitionLog((bytes) => this.#broker.hold(bytes)));
  }

  removeAll(): void {
    for (const reader of this.readers) reader.gone();
    for (const log of this.#logs) log.clear();
  }
}
