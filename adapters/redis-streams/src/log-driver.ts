import {
  abortable,
  Bell,
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
import { Appender } from './appender.ts';
import { logCapabilities } from './capabilities.ts';
import type { Connection } from './connection.ts';
import { GroupCells } from './group-cells.ts';
import { appendedChannel } from './keys.ts';
import { LogReader } from './log-reader.ts';
import { nativeOf, type RedisNative } from './native.ts';
import { PartitionLogs, partitionsOf } from './partition-logs.ts';
import { TopicRegistry } from './topic-registry.ts';

/** The data bus half: a stream for every partition, the pointers of a group in a hash. */
export class RedisLogDriver implements LogDriver<RedisNative> {
  readonly kind = 'log';
  readonly native: RedisNative;
  readonly binding: Binding = structuredBinding;
  readonly capabilities: LogCapabilities;
  readonly #connection: Connection;
  readonly #registry: TopicRegistry;
  readonly #logs: PartitionLogs;
  readonly #appender: Appender;
  readonly #cells: GroupCells;
  readonly #groups: Groups;

  constructor(connection: Connection) {
    const { settings } = connection;
    this.#connection = connection;
    this.native = nativeOf(connection);
    this.capabilities = logCapabilities(settings);
    this.#registry = new TopicRegistry(connection, 'data');
    this.#logs = new PartitionLogs(connection);
    this.#appender = new Appender(connection);
    this.#cells = new GroupCells(connection);
    this.#groups = groupsOver({
      clock: systemClock,
      leaseMs: settings.leaseMs,
      cells: (topic, group) => this.#cells.of(topic, group),
      partitions: async (topic, signal) =>
        (await abortable(this.#registry.current(topic), signal)).partitions,
      reader: (topic, _group, _as, events) => new LogReader(connection, this.#logs, topic, events),
    });
  }

  async open(signal: AbortSignal): Promise<void> {
    await this.#connection.open(signal);
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  async ensureTopic(
    wanted: WantedTopic,
    mode: TopologyMode,
    signal: AbortSignal,
  ): Promise<StoredTopic> {
    const making =
      mode === 'create' ? this.#make(wanted) : this.#registry.ensureTopic(wanted, mode);
    return await abortable(making, signal);
  }

  async topics(
    names: readonly string[] | undefined,
    signal: AbortSignal,
  ): Promise<readonly StoredTopic[]> {
    return await abortable(this.#registry.topics(names), signal);
  }

  async alterTopic(
    current: StoredTopic,
    next: StoredTopic,
    signal: AbortSignal,
  ): Promise<StoredTopic> {
    const altering = async (): Promise<StoredTopic> => {
      const topic = await this.#registry.alterTopic(current, next);
      if (!(await this.#prepare(topic))) throw mixed(topic.name);
      await this.#cells.tellAll(topic);
      return topic;
    };
    return await abortable(altering(), signal);
  }

  async names(topic: StoredTopic, signal: AbortSignal): Promise<readonly string[]> {
    return await abortable(this.#cells.names(topic), signal);
  }

  async append(
    topic: StoredTopic,
    partition: number,
    records: readonly OutboundRecord[],
    signal: AbortSignal,
  ): Promise<readonly Outcome[]> {
    signal.throwIfAborted();
    return await abortable(this.#appender.append(topic, partition, records), signal);
  }

  async read(
    topic: StoredTopic,
    partition: number,
    from: Place,
    { maxBytes, maxWaitMs }: { readonly maxBytes: number; readonly maxWaitMs: number },
    signal: AbortSignal,
  ): Promise<ReadResult> {
    const found = await this.#read(topic, partition, from, maxBytes, signal);
    if (found.records.length > 0 || !found.atEnd || maxWaitMs <= 0) return found;
    return await this.#waitFor(topic, partition, found.next, { maxBytes, maxWaitMs }, signal);
  }

  async bounds(topic: StoredTopic, signal: AbortSignal): Promise<readonly Bounds[]> {
    const all = partitionsOf(topic).map((partition) => this.#logs.bounds(topic, partition));
    return await abortable(Promise.all(all), signal);
  }

  async placesAt(
    topic: StoredTopic,
    timeMs: number,
    signal: AbortSignal,
  ): Promise<readonly Place[]> {
    const all = partitionsOf(topic).map((partition) =>
      this.#logs.placeAt(topic, partition, timeMs),
    );
    return await abortable(Promise.all(all), signal);
  }

  async join(
    topic: StoredTopic,
    group: string,
    as: string,
    signal: AbortSignal,
  ): Promise<LogMember> {
    return await this.#groups.join(topic, group, as, signal);
  }

  async pointers(
    topic: StoredTopic,
    group: string,
    signal: AbortSignal,
  ): Promise<readonly (StoredPointer | undefined)[]> {
    return await this.#groups.pointers(topic, group, signal);
  }

  async edit(
    topic: StoredTopic,
    group: string,
    change: PointerChange,
    graceMs: number,
    signal: AbortSignal,
  ): Promise<EditResult> {
    return await this.#groups.edit(topic, group, change, graceMs, signal);
  }

  async removeGroup(topic: StoredTopic, group: string, signal: AbortSignal): Promise<void> {
    await this.#groups.empty(topic, group, signal);
    await abortable(this.#cells.remove(topic, group), signal);
  }

  /** A record can be lost where records of its topic are not, as they may be on another node, which has not failed: what
   *  is there counts, and its record is made from it. */
  async #make(wanted: WantedTopic): Promise<StoredTopic> {
    for (let adopted = false; ; ) {
      const topic = await this.#registry.ensureTopic(wanted, 'create');
      const other = await this.#logs.prepare(topic);
      if (other === undefined) {
        await this.#cells.prepare(topic);
        return topic;
      }
      if (adopted) throw mixed(topic.name);
      const partitions = Math.max(topic.partitions, other.partitions);
      adopted = await this.#registry.replace(topic, { ...topic, ...other, partitions });
    }
  }

  /** Also what a process that died in the middle has left undone. False where records of another topic are in the way. */
  async #prepare(topic: StoredTopic): Promise<boolean> {
    if ((await this.#logs.prepare(topic)) !== undefined) return false;
    await this.#cells.prepare(topic);
    return true;
  }

  async #read(
    topic: StoredTopic,
    partition: number,
    from: Place,
    maxBytes: number,
    signal: AbortSignal,
  ): Promise<ReadResult> {
    const { bounds, ...result } = await abortable(
      this.#logs.read(topic, partition, from, maxBytes),
      signal,
    );
    const { first, end } = bounds;
    if (from.offset >= first.offset && from.offset <= end.offset) return result;
    throw new BusError(
      'DUOBUS_POSITION_GONE',
      `Redis: partition ${partition} of topic '${topic.name}' holds records from ${first.offset} to before ${end.offset}, not ${from.offset}`,
      {
        context: {
          topic: topic.name,
          partition,
          offset: from.offset,
          first: first.offset,
          end: end.offset,
        },
      },
    );
  }

  async #waitFor(
    topic: StoredTopic,
    partition: number,
    from: Place,
    { maxBytes, maxWaitMs }: { readonly maxBytes: number; readonly maxWaitMs: number },
    signal: AbortSignal,
  ): Promise<ReadResult> {
    const bell = new Bell();
    let over = false;
    const cancel = systemClock.after(maxWaitMs, () => {
      over = true;
      bell.ring();
    });
    // '' says that nothing is missed any more: what came before is seen now
    const hush = this.#connection.listen(appendedChannel(topic), (message) => {
      if (message === '' || Number(message) === partition) bell.ring();
    });
    const stop = AbortSignal.any([signal, this.#connection.ended]);
    try {
      for (;;) {
        await abortable(bell.wait(), stop);
        const found = await this.#read(topic, partition, from, maxBytes, signal);
        if (found.records.length > 0 || over) return found;
      }
    } finally {
      cancel();
      hush();
    }
  }
}

function mixed(topic: string): BusError {
  return new BusError(
    'DUOBUS_CONFLICT',
    `Redis: the partitions of topic '${topic}' hold records of several topics of that name: delete the keys {duobus:d:${topic}:*}:* of those that are not needed`,
    { context: { topic } },
  );
}
