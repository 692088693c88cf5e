import {
  inParallel,
  type Binding,
  type Bounds,
  BusError,
  type EditResult,
  type Groups,
  groupsOver,
  type LogCapabilities,
  type LogDriver,
  type LogMember,
  type Outcome,
  type OutboundRecord,
  type Place,
  type PointerChange,
  type ReadResult,
  type StoredPointer,
  type StoredTopic,
  structuredBinding,
  systemClock,
  type TopologyMode,
  type WantedTopic,
} from '@duobus/core/driver';
import { GroupCells } from './group-cells.ts';
import { History, type ReadLimits } from './history.ts';
import { channelOf, topicRing } from './log-channel.ts';
import { LogReader } from './log-reader.ts';
import type { ObjectLogOptions } from './options.ts';
import { PartitionCounts } from './partition-counts.ts';
import { Partitions } from './partitions.ts';
import { placeAt } from './place-search.ts';

const atOnce = 16;
const defaultLookEveryMs = 20_000;

/** A data bus in any store that can compare and set: segments of logs, pointers and records of topics are objects in it. */
export class ObjectLogDriver<Native = unknown> implements LogDriver<Native> {
  readonly kind = 'log';
  readonly native: Native;
  readonly binding: Binding = structuredBinding;
  readonly capabilities: LogCapabilities;
  readonly #options: ObjectLogOptions<Native>;
  readonly #channelOf: (topic: StoredTopic) => string;
  readonly #partitions: Partitions;
  readonly #history = new History();
  readonly #cells: GroupCells;
  readonly #counts: PartitionCounts;
  readonly #groups: Groups;
  #closing: Promise<void> | undefined;

  constructor(options: ObjectLogOptions<Native>) {
    const {
      store,
      root,
      doorbell,
      capabilities,
      shelf,
      lookEveryMs = defaultLookEveryMs,
    } = options;
    this.#options = options;
    this.native = options.native;
    this.capabilities = capabilities;
    this.#channelOf = options.channelOf ?? channelOf;
    this.#partitions = new Partitions(options, this.#channelOf);
    this.#cells = new GroupCells({ store, root, doorbell, channelOf: this.#channelOf });
    this.#counts = new PartitionCounts(shelf, (topic, onRing) => this.#listen(topic, onRing));
    this.#groups = groupsOver({
      clock: systemClock,
      leaseMs: capabilities.leaseMs,
      cells: (topic, group) => this.#cells.of(topic, group),
      partitions: (topic, signal) => this.#counts.of(topic, signal),
      reader: (topic, _group, _as, events) => {
        const forget = this.#counts.watch(topic);
        return new LogReader({
          topic: topic.name,
          log: (partition) => this.#partitions.log(topic, partition),
          events,
          listen: (onRing) => this.#listen(topic, onRing),
          ended: options.connection.ended(),
          lookEveryMs,
          patienceMs: capabilities.leaseMs,
          closed: forget,
        });
      },
    });
  }

  async open(signal: AbortSignal): Promise<void> {
    this.#check(signal);
    await this.#options.connection.open(signal);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async ensureTopic(
    wanted: WantedTopic,
    mode: TopologyMode,
    signal: AbortSignal,
  ): Promise<StoredTopic> {
    this.#check(signal);
    return this.#options.shelf.ensure(wanted, mode, signal);
  }

  async topics(
    names: readonly string[] | undefined,
    signal: AbortSignal,
  ): Promise<readonly StoredTopic[]> {
    this.#check(signal);
    return this.#options.shelf.topics(names, signal);
  }

  async alterTopic(
    current: StoredTopic,
    next: StoredTopic,
    signal: AbortSignal,
  ): Promise<StoredTopic> {
    this.#check(signal);
    const topic = await this.#options.shelf.alter(current, next, signal);
    this.#counts.forget(topic);
    this.#options.doorbell.ring(this.#channelOf(topic), topicRing);
    return topic;
  }

  async names(topic: StoredTopic, signal: AbortSignal): Promise<readonly string[]> {
    this.#check(signal);
    return this.#cells.names(topic, signal);
  }

  async append(
    topic: StoredTopic,
    partition: number,
    records: readonly OutboundRecord[],
    signal: AbortSignal,
  ): Promise<readonly Outcome[]> {
    this.#check(signal);
    return this.#partitions.writer(topic, partition).append(records, signal);
  }

  async read(
    topic: StoredTopic,
    partition: number,
    from: Place,
    limits: ReadLimits,
    signal: AbortSignal,
  ): Promise<ReadResult> {
    this.#check(signal);
    const log = this.#partitions.log(topic, partition);
    const found = await this.#history.read(log, from, limits.maxBytes, signal);
    if (found.records.length > 0 || !found.atEnd || limits.maxWaitMs <= 0) return found;
    const listen = (onRing: (message: string) => void): (() => void) => this.#listen(topic, onRing);
    const ended = AbortSignal.any([signal, this.#options.connection.ended()]);
    return this.#history.wait(log, found.next, limits, listen, ended);
  }

  async bounds(topic: StoredTopic, signal: AbortSignal): Promise<readonly Bounds[]> {
    this.#check(signal);
    return inParallel(this.#partitions.all(topic), atOnce, (log) => log.bounds(signal));
  }

  async placesAt(
    topic: StoredTopic,
    timeMs: number,
    signal: AbortSignal,
  ): Promise<readonly Place[]> {
    this.#check(signal);
    const { timeGranularityMs } = this.capabilities;
    return inParallel(this.#partitions.all(topic), atOnce, (log) =>
      placeAt(log, timeMs, timeGranularityMs, signal),
    );
  }

  async join(
    topic: StoredTopic,
    group: string,
    as: string,
    signal: AbortSignal,
  ): Promise<LogMember> {
    this.#check(signal);
    return this.#groups.join(topic, group, as, signal);
  }

  async pointers(
    topic: StoredTopic,
    group: string,
    signal: AbortSignal,
  ): Promise<readonly (StoredPointer | undefined)[]> {
    this.#check(signal);
    return this.#groups.pointers(topic, group, signal);
  }

  async edit(
    topic: StoredTopic,
    group: string,
    change: PointerChange,
    graceMs: number,
    signal: AbortSignal,
  ): Promise<EditResult> {
    this.#check(signal);
    return this.#groups.edit(topic, group, change, graceMs, signal);
  }

  async removeGroup(topic: StoredTopic, group: string, signal: AbortSignal): Promise<void> {
    this.#check(signal);
    await this.#groups.empty(topic, group, signal);
    await this.#cells.remove(topic, group, signal);
  }

  /** Looks after all that this process has appended to, now: retention, deletion, compaction. It does so by itself in the
   *  background; this is for tests and for operators' tools. */
  async keep(topic: StoredTopic): Promise<void> {
    await inParallel(this.#partitions.all(topic), atOnce, ({ partition }) =>
      this.#partitions.keeper(topic, partition).run(),
    );
  }

  async #close(): Promise<void> {
    this.#history.close();
    await this.#partitions.close();
    await this.#options.connection.close();
  }

  #listen(topic: StoredTopic, onRing: (message: string) => void): () => void {
    return this.#options.doorbell.listen(this.#channelOf(topic), onRing);
  }

  #check(signal: AbortSignal): void {
    signal.throwIfAborted();
    if (this.#closing === undefined) return;
    throw new BusError(
      'DUOBUS_CLOSED',
      'the connection to the data bus has been closed: connect again',
    );
  }
}
