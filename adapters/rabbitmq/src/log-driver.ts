import {
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
  systemClock,
  type TopologyMode,
  type WantedTopic,
} from '@duobus/core/driver';
import { logCapabilities } from './capabilities.ts';
import { GroupShelf } from './group-shelf.ts';
import { BrokerLinks } from './links.ts';
import { LogEnds } from './log-ends.ts';
import { LogHistory } from './log-history.ts';
import { LogReader } from './log-reader.ts';
import { sendingOf } from './log-record.ts';
import { LogTopics, streamsOf } from './log-topics.ts';
import { MemberLife } from './member-life.ts';
import type { RabbitmqNative } from './native.ts';
import type { Settings } from './options.ts';
import { binding } from './record-codec.ts';
import { RegistryStream } from './registry-stream.ts';
import { groupStream, partitionStream } from './topology.ts';

const longestHoldMs = 60_000;

/** The data bus on RabbitMQ: a stream per partition, and one per group in which its members agree. */
export class RabbitmqLogDriver implements LogDriver<RabbitmqNative> {
  readonly kind = 'log';
  readonly capabilities: LogCapabilities;
  readonly binding: Binding = binding;
  readonly native: RabbitmqNative;
  readonly #holdMs: number;
  readonly #links: BrokerLinks;
  readonly #topics: LogTopics;
  readonly #ends: LogEnds;
  readonly #history: LogHistory;
  readonly #cells: GroupShelf;
  readonly #groups: Groups;
  /** Of members that are joining. */
  readonly #lives = new Map<string, MemberLife>();

  constructor(settings: Settings) {
    this.capabilities = logCapabilities(settings);
    this.#holdMs = Math.min(longestHoldMs, settings.consumerTimeoutMs / 3);
    this.#links = new BrokerLinks(settings);
    this.native = this.#links.native;
    this.#topics = new LogTopics(this.#links, new RegistryStream(this.#links));
    this.#ends = new LogEnds(this.#links, (queue, signal) => this.#topics.begin(queue, signal));
    this.#history = new LogHistory(this.#links, this.#ends);
    this.#cells = new GroupShelf(this.#links);
    this.#groups = groupsOver({
      clock: systemClock,
      leaseMs: settings.groupLeaseMs,
      cells: (topic, group) => this.#cells.of(topic, group),
      partitions: (topic, signal) => this.#topics.partitions(topic, signal),
      reader: (topic, group, as, events) =>
        new LogReader({
          life: this.#lives.get(lifeKey(topic, group, as)),
          links: this.#links,
          ends: this.#ends,
          queueOf: (partition) => partitionStream(topic.name, partition),
          holdMs: this.#holdMs,
          events,
        }),
    });
  }

  async open(signal: AbortSignal): Promise<void> {
    await this.#links.open(signal);
  }

  async close(): Promise<void> {
    this.#history.close();
    this.#cells.close();
    await this.#links.close();
  }

  async ensureTopic(
    wanted: WantedTopic,
    mode: TopologyMode,
    signal: AbortSignal,
  ): Promise<StoredTopic> {
    return this.#topics.ensureTopic(wanted, mode, signal);
  }

  async topics(
    names: readonly string[] | undefined,
    signal: AbortSignal,
  ): Promise<readonly StoredTopic[]> {
    return this.#topics.topics(names, signal);
  }

  async alterTopic(
    current: StoredTopic,
    next: StoredTopic,
    signal: AbortSignal,
  ): Promise<StoredTopic> {
    return this.#topics.alterTopic(current, next, signal);
  }

  async names(topic: StoredTopic, signal: AbortSignal): Promise<readonly string[]> {
    return this.#topics.groups(topic, signal);
  }

  async append(
    topic: StoredTopic,
    partition: number,
    records: readonly OutboundRecord[],
    signal: AbortSignal,
  ): Promise<readonly Outcome[]> {
    const queue = partitionStream(topic.name, partition);
    const now = Date.now();
    const sendings = records.map((record) => sendingOf(queue, record, topic.compacted, now));
    return this.#links.copies().send(sendings, signal);
  }

  async read(
    topic: StoredTopic,
    partition: number,
    from: Place,
    limits: { readonly maxBytes: number; readonly maxWaitMs: number },
    signal: AbortSignal,
  ): Promise<ReadResult> {
    return this.#history.read(partitionStream(topic.name, partition), from, limits, signal);
  }

  async bounds(topic: StoredTopic, signal: AbortSignal): Promise<readonly Bounds[]> {
    return this.#ends.bounds(streamsOf(topic), signal);
  }

  async placesAt(
    topic: StoredTopic,
    timeMs: number,
    signal: AbortSignal,
  ): Promise<readonly Place[]> {
    return this.#ends.placesAt(streamsOf(topic), timeMs, signal);
  }

  async join(
    topic: StoredTopic,
    group: string,
    as: string,
    signal: AbortSignal,
  ): Promise<LogMember> {
    this.#links.consume();
    await this.#topics.addGroup(topic, group, signal);
    const key = lifeKey(topic, group, as);
    const life = await this.#begin(topic, group, as, signal);
    if (life !== undefined) this.#lives.set(key, life);
    try {
      return await this.#groups.join(topic, group, as, signal);
    } catch (error) {
      await life?.close();
      throw error;
    } finally {
      this.#lives.delete(key);
    }
  }

  async pointers(
    topic: StoredTopic,
    group: string,
    signal: AbortSignal,
  ): Promise<readonly (StoredPointer | undefined)[]> {
    return this.#groups.pointers(topic, group, signal);
  }

  async edit(
    topic: StoredTopic,
    group: string,
    change: PointerChange,
    graceMs: number,
    signal: AbortSignal,
  ): Promise<EditResult> {
    this.#links.consume();
    return this.#groups.edit(topic, group, change, graceMs, signal);
  }

  async removeGroup(topic: StoredTopic, group: string, signal: AbortSignal): Promise<void> {
    await this.#groups.empty(topic, group, signal);
    await this.#cells.drop(topic, group);
    await this.#topics.removeGroup(topic, group, signal);
  }

  /** Without it a member is missed when its lease ends. */
  async #begin(
    topic: StoredTopic,
    group: string,
    id: string,
    signal: AbortSignal,
  ): Promise<MemberLife | undefined> {
    const cells = this.#cells.of(topic, group);
    const base = groupStream(topic.name, group);
    const { leaseMs } = this.capabilities;
    const options = { links: this.#links, cells, id, base, holdMs: this.#holdMs, leaseMs };
    try {
      return await MemberLife.open(options, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (BusError.is(error) && error.retryable) throw error;
      return undefined;
    }
  }
}

function lifeKey({ name }: StoredTopic, group: string, as: string): string {
  return JSON.stringify([name, group, as]);
}
