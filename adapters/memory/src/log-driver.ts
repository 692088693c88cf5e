import {
  abortable,
  type Binding,
  type Bounds,
  type EditResult,
  type Groups,
  groupsOver,
  type LogCapabilities,
  type LogDriver,
  type LogMember,
  type Outcome,
  type OutboundRecord,
  type Place,
  type ReadResult,
  type PointerChange,
  type StoredPointer,
  type StoredTopic,
  type TopologyMode,
  type WantedTopic,
} from '@duobus/core/driver';
import type { MemoryBroker } from './broker.ts';
import { logCapabilities } from './capabilities.ts';
import type { Connection } from './connection.ts';
import { cellsThrough } from './group-cells.ts';
import { LogReader } from './log-reader.ts';
import type { PartitionLog } from './partition-log.ts';
import { publishAll } from './publish.ts';
import { binding } from './record-codec.ts';
import { rejected } from './stored.ts';

/** The data bus half. */
export class MemoryLogDriver implements LogDriver<MemoryBroker> {
  readonly kind = 'log';
  readonly native: MemoryBroker;
  readonly binding: Binding = binding;
  readonly capabilities: LogCapabilities;
  readonly #connection: Connection;
  readonly #groups: Groups;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.native = connection.broker;
    const { data, clock, limits } = connection.broker;
    this.#groups = groupsOver({
      clock,
      leaseMs: limits.groupLeaseMs,
      cells: (topic, group) => cellsThrough(connection, () => data.get(topic).group(group)),
      partitions: async (topic) => data.get(topic).record.partitions,
      reader: (topic, group, as, events) =>
        new LogReader(connection, data.get(topic), { group, as }, events),
    });
    this.capabilities = logCapabilities(connection.broker.limits);
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
    return this.native.data.ensure(wanted, mode);
  }

  async topics(
    names: readonly string[] | undefined,
    signal: AbortSignal,
  ): Promise<readonly StoredTopic[]> {
    this.#connection.check(signal);
    return this.native.data.list(names);
  }

  async alterTopic(
    current: StoredTopic,
    next: StoredTopic,
    signal: AbortSignal,
  ): Promise<StoredTopic> {
    this.#connection.check(signal);
    const topic = this.native.data.alter(current, next);
    topic.grow();
    return topic.record;
  }

  async names(topic: StoredTopic, signal: AbortSignal): Promise<readonly string[]> {
    this.#connection.check(signal);
    return this.native.data.get(topic).names;
  }

  async append(
    topic: StoredTopic,
    partition: number,
    records: readonly OutboundRecord[],
    signal: AbortSignal,
  ): Promise<readonly Outcome[]> {
    const refusal = this.#connection.refusal();
    if (refusal !== undefined) return records.map(() => rejected(refusal));
    this.#connection.check(signal);
    const state = this.native.data.get(topic);
    const outcomes = publishAll(this.native, records, state.record.compacted, (record) =>
      state.append(partition, record),
    );
    state.wake(partition);
    return outcomes;
  }

  async read(
    topic: StoredTopic,
    partition: number,
    from: Place,
    limits: { readonly maxBytes: number; readonly maxWaitMs: number },
    signal: AbortSignal,
  ): Promise<ReadResult> {
    this.#connection.check(signal);
    const log = this.native.data.get(topic).log(partition);
    const result = log.read(topic, partition, from, limits.maxBytes);
    if (result.records.length > 0 || limits.maxWaitMs <= 0) return result;
    await this.#appended(log, limits.maxWaitMs, signal);
    this.#connection.check(signal);
    return this.native.data
      .get(topic)
      .log(partition)
      .read(topic, partition, result.next, limits.maxBytes);
  }

  async bounds(topic: StoredTopic, signal: AbortSignal): Promise<readonly Bounds[]> {
    this.#connection.check(signal);
    return this.native.data.get(topic).logs.map((log) => log.bounds());
  }

  async placesAt(
    topic: StoredTopic,
    timeMs: number,
    signal: AbortSignal,
  ): Promise<readonly Place[]> {
    this.#connection.check(signal);
    return this.native.data.get(topic).logs.map((log) => log.placeAt(timeMs));
  }

  async join(
    topic: StoredTopic,
    group: string,
    as: string,
    signal: AbortSignal,
  ): Promise<LogMember> {
    this.#connection.check(signal);
    return this.#groups.join(topic, group, as, signal);
  }

  async pointers(
    topic: StoredTopic,
    group: string,
    signal: AbortSignal,
  ): Promise<readonly (StoredPointer | undefined)[]> {
    this.#connection.check(signal);
    return this.#groups.pointers(topic, group, signal);
  }

  async edit(
    topic: StoredTopic,
    group: string,
    change: PointerChange,
    graceMs: number,
    signal: AbortSignal,
  ): Promise<EditResult> {
    this.#connection.check(signal);
    return this.#groups.edit(topic, group, change, graceMs, signal);
  }

  async removeGroup(topic: StoredTopic, group: string, signal: AbortSignal): Promise<void> {
    this.#connection.check(signal);
    await this.#groups.empty(topic, group, signal);
    this.native.data.get(topic).removeGroup(group);
  }

  async #appended(log: PartitionLog, maxWaitMs: number, signal: AbortSignal): Promise<void> {
    let forget = (): void => undefined;
    let cancel = (): void => undefined;
    const woken = new Promise<void>((resolve) => {
      forget = log.whenAppended(resolve);
      cancel = this.native.clock.after(maxWaitMs, resolve);
    });
    try {
      await abortable(woken, signal);
    } finally {
      forget();
      cancel();
    }
  }
}
