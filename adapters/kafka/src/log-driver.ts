import {
  type Binding,
  type Bounds,
  type EditResult,
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
import { logCapabilities } from './capabilities.ts';
import type { KafkaClient } from './client.ts';
import { Connection } from './connection.ts';
import { GroupMember } from './group-member.ts';
import { partitionsIn } from './group-shares.ts';
import type { Settings } from './options.ts';
import { deleteGroup, editPointers } from './pointer-edit.ts';
import { fetchPointers } from './pointer-store.ts';
import type { ReadLimits } from './reader.ts';
import { binding } from './record-codec.ts';
import { groupId, groupOf } from './topology.ts';

/** The data bus half: a Kafka topic per topic, a Kafka group per group. */
export class KafkaLogDriver implements LogDriver<KafkaClient> {
  readonly kind = 'log';
  readonly native: KafkaClient;
  readonly binding: Binding = binding;
  readonly capabilities: LogCapabilities;
  readonly #connection: Connection;
  readonly #edits = new Map<string, { waiting: number; turn: Promise<unknown> }>();

  constructor(settings: Settings) {
    this.#connection = new Connection(settings, 'data');
    this.native = this.#connection.native;
    this.capabilities = logCapabilities(settings);
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
    return await this.#connection.ensureTopic(wanted, mode, signal);
  }

  async topics(
    names: readonly string[] | undefined,
    signal: AbortSignal,
  ): Promise<readonly StoredTopic[]> {
    return await this.#connection.topics(names, signal);
  }

  async alterTopic(
    current: StoredTopic,
    next: StoredTopic,
    signal: AbortSignal,
  ): Promise<StoredTopic> {
    return await this.#connection.alterTopic(current, next, signal);
  }

  async names(topic: StoredTopic, signal: AbortSignal): Promise<readonly string[]> {
    return await this.#connection.run(
      `listing the groups of topic '${topic.name}'`,
      signal,
      async () => {
        // every broker only knows the groups it coordinates
        const answers = await Promise.all(
          (await this.#connection.control.brokers()).map((broker) =>
            this.#connection.control.call(broker, () => broker.listGroups()),
          ),
        );
        return [
          ...new Set(
            answers.flatMap(({ groups }) =>
              groups.flatMap((group) => groupOf(topic, group.groupId) ?? []),
            ),
          ),
        ].toSorted();
      },
    );
  }

  async append(
    topic: StoredTopic,
    partition: number,
    records: readonly OutboundRecord[],
    signal: AbortSignal,
  ): Promise<readonly Outcome[]> {
    const attempt = `publishing to topic '${topic.name}'`;
    const { topic: name } = await this.#connection.kept(topic, attempt, signal);
    return await this.#connection.producer.append(name, partition, records, signal);
  }

  async read(
    topic: StoredTopic,
    partition: number,
    from: Place,
    limits: ReadLimits,
    signal: AbortSignal,
  ): Promise<ReadResult> {
    return await this.#connection.run(
      `reading partition ${partition} of topic '${topic.name}'`,
      signal,
      async (inner) =>
        this.#connection.reader.read(
          (await this.#connection.store.kept(topic)).topic,
          partition,
          from,
          limits,
          inner,
        ),
    );
  }

  async bounds(topic: StoredTopic, signal: AbortSignal): Promise<readonly Bounds[]> {
    return await this.#connection.run(
      `looking for the ends of topic '${topic.name}'`,
      signal,
      async () =>
        this.#connection.ends.bounds(
          (await this.#connection.store.kept(topic)).topic,
          partitionsOf(topic),
        ),
    );
  }

  async placesAt(
    topic: StoredTopic,
    timeMs: number,
    signal: AbortSignal,
  ): Promise<readonly Place[]> {
    if (!Number.isFinite(timeMs))
      throw new TypeError(`kafka: the time to look for must be a number of ms, got ${timeMs}`);
    return await this.#connection.run(
      `looking for a time in topic '${topic.name}'`,
      signal,
      async () =>
        this.#connection.ends.placesAt(
          (await this.#connection.store.kept(topic)).topic,
          partitionsOf(topic),
          timeMs,
        ),
    );
  }

  async join(
    topic: StoredTopic,
    group: string,
    _as: string,
    signal: AbortSignal,
  ): Promise<LogMember> {
    return await this.#connection.run(
      `joining group '${group}' of topic '${topic.name}'`,
      signal,
      async (inner) => {
        const { store, settings, ends } = this.#connection;
        const { name } = await store.current(topic);
        const member = new GroupMember({
          settings,
          ends,
          groupId: groupId(topic, group),
          shares: {
            ...partitionsIn(name),
            count: async () => (await store.current(topic)).leaders.length,
          },
          topic: topic.name,
          group,
          left: () => this.#connection.left(member),
        });
        await member.open(inner);
        await this.#connection.keep(member);
        return member;
      },
    );
  }

  async pointers(
    topic: StoredTopic,
    group: string,
    signal: AbortSignal,
  ): Promise<readonly (StoredPointer | undefined)[]> {
    return await this.#connection.run(
      `reading the pointers of group '${group}' of topic '${topic.name}'`,
      signal,
      async (inner) => {
        const { topic: name } = await this.#connection.store.kept(topic);
        const id = groupId(topic, group);
        return await this.#connection.control.coordinated(id, inner, (broker) =>
          fetchPointers(broker, id, partitionsIn(name), partitionsOf(topic)),
        );
      },
    );
  }

  async edit(
    topic: StoredTopic,
    group: string,
    change: PointerChange,
    graceMs: number,
    signal: AbortSignal,
  ): Promise<EditResult> {
    return await this.#connection.run(
      `changing the pointers of group '${group}' of topic '${topic.name}'`,
      signal,
      async (inner) => {
        const { name, leaders } = await this.#connection.store.current(topic);
        const context = {
          settings: this.#connection.settings,
          topic,
          kafkaTopic: name,
          partitions: leaders.length,
          group,
          graceMs: Math.max(0, Math.floor(graceMs)),
        };
        return await this.#inTurn(groupId(topic, group), () =>
          editPointers(context, change, inner),
        );
      },
    );
  }

  async removeGroup(topic: StoredTopic, group: string, signal: AbortSignal): Promise<void> {
    await this.#connection.run(
      `removing group '${group}' of topic '${topic.name}'`,
      signal,
      (inner) => deleteGroup(this.#connection.control, groupId(topic, group), group, inner),
    );
  }

  /** Edits of this process queue here, so that they need not meet in Kafka; the last in the queue counts. */
  async #inTurn(id: string, edit: () => Promise<EditResult>): Promise<EditResult> {
    const queue = this.#edits.get(id) ?? { waiting: 0, turn: Promise.resolve() };
    this.#edits.set(id, queue);
    queue.waiting += 1;
    const mine = queue.turn.then(edit);
    queue.turn = mine.catch(() => undefined); // told to its caller; the next goes on
    try {
      const { superseded } = await mine;
      return { superseded: superseded || queue.waiting > 1 };
    } finally {
      queue.waiting -= 1;
      if (queue.waiting === 0) this.#edits.delete(id);
    }
  }
}

function partitionsOf({ partitions }: StoredTopic): readonly number[] {
  return Array.from({ length: partitions }, (_, partition) => partition);
}
