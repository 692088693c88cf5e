import {
  abortable,
  type Binding,
  binaryBinding,
  type Bounds,
  BusError,
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
import { Carrier } from './carrier.ts';
import type { KafkaClient } from './client.ts';
import { GroupMember } from './group-member.ts';
import { createClient } from './kafkajs-client.ts';
import { Leaders } from './leaders.ts';
import { LogEnds } from './log-ends.ts';
import { classify } from './native-errors.ts';
import type { Settings } from './options.ts';
import { deleteGroup, editPointers } from './pointer-edit.ts';
import { fetchPointers } from './pointer-store.ts';
import { Producer } from './producer.ts';
import { type ReadLimits, Reader } from './reader.ts';
import { RegistryTopic } from './registry-topic.ts';
import { groupId, groupOf } from './topology.ts';
import { TopicStore } from './topic-store.ts';

/** The data bus half: a Kafka topic per topic, a Kafka group per group. */
export class KafkaLogDriver implements LogDriver<KafkaClient> {
  readonly kind = 'log';
  readonly native: KafkaClient;
  readonly binding: Binding = binaryBinding({ prefix: 'ce_', contentType: 'content-type' });
  readonly capabilities: LogCapabilities;
  readonly #settings: Settings;
  readonly #control: Carrier;
  readonly #publishing: Carrier;
  readonly #producer: Producer;
  readonly #reader: Reader;
  readonly #ends: LogEnds;
  readonly #store: TopicStore;
  readonly #members = new Set<GroupMember>();
  readonly #edits = new Map<string, { waiting: number; turn: Promise<unknown> }>();
  readonly #closed = new AbortController();

  constructor(settings: Settings) {
    this.#settings = settings;
    this.native = createClient(settings);
    this.capabilities = logCapabilities(settings);
    this.#control = new Carrier(settings);
    this.#publishing = new Carrier(settings);
    const leaders = new Leaders(this.#control);
    this.#ends = new LogEnds(this.#control, leaders);
    this.#producer = new Producer(
      this.#publishing,
      new Leaders(this.#publishing),
      settings.requestTimeoutMs - 500,
    );
    this.#store = new TopicStore(
      settings,
      this.#control,
      leaders,
      this.#ends,
      new RegistryTopic(settings.registryTopic, this.#control, leaders, this.#producer),
    );
    this.#reader = new Reader(settings);
  }

  async open(signal: AbortSignal): Promise<void> {
    await this.#run('connecting to Kafka', signal, () => this.#control.metadata([]));
  }

  async close(): Promise<void> {
    this.#closed.abort(new BusError('DUOBUS_CLOSED', 'the Kafka adapter has been closed'));
    await Promise.all([...this.#members].map((member) => member.close()));
    this.#control.close();
    this.#publishing.close();
    this.#reader.close();
  }

  async ensureTopic(
    wanted: WantedTopic,
    mode: TopologyMode,
    signal: AbortSignal,
  ): Promise<StoredTopic> {
    return await this.#run(`making sure of topic '${wanted.name}'`, signal, (inner) =>
      this.#store.ensure(wanted, mode, inner),
    );
  }

  async topics(
    names: readonly string[] | undefined,
    signal: AbortSignal,
  ): Promise<readonly StoredTopic[]> {
    return await this.#run('listing topics', signal, () => this.#store.list('data', names));
  }

  async alterTopic(
    current: StoredTopic,
    next: StoredTopic,
    signal: AbortSignal,
  ): Promise<StoredTopic> {
    return await this.#run(`altering topic '${current.name}'`, signal, (inner) =>
      this.#store.alter(current, next, inner),
    );
  }

  async names(topic: StoredTopic, signal: AbortSignal): Promise<readonly string[]> {
    return await this.#run(`listing the groups of topic '${topic.name}'`, signal, async () => {
      // every broker only knows the groups it coordinates
      const answers = await Promise.all(
        (await this.#control.brokers()).map((broker) =>
          this.#control.call(broker, () => broker.listGroups()),
        ),
      );
      return [
        ...new Set(
          answers.flatMap(({ groups }) =>
            groups.flatMap((group) => groupOf(topic, group.groupId) ?? []),
          ),
        ),
      ].toSorted();
    });
  }

  async append(
    topic: StoredTopic,
    partition: number,
    records: readonly OutboundRecord[],
    signal: AbortSignal,
  ): Promise<readonly Outcome[]> {
    this.#check(signal);
    const { topic: name } = await this.#kept(topic, `publishing to topic '${topic.name}'`, signal);
    return await this.#producer.append(name, partition, records, signal);
  }

  async read(
    topic: StoredTopic,
    partition: number,
    from: Place,
    limits: ReadLimits,
    signal: AbortSignal,
  ): Promise<ReadResult> {
    return await this.#run(
      `reading partition ${partition} of topic '${topic.name}'`,
      signal,
      async (inner) =>
        this.#reader.read((await this.#store.kept(topic)).topic, partition, from, limits, inner),
    );
  }

  async bounds(topic: StoredTopic, signal: AbortSignal): Promise<readonly Bounds[]> {
    return await this.#run(`looking for the ends of topic '${topic.name}'`, signal, async () =>
      this.#ends.bounds((await this.#store.kept(topic)).topic, partitionsOf(topic)),
    );
  }

  async placesAt(
    topic: StoredTopic,
    timeMs: number,
    signal: AbortSignal,
  ): Promise<readonly Place[]> {
    if (!Number.isFinite(timeMs))
      throw new TypeError(`kafka: the time to look for must be a number of ms, got ${timeMs}`);
    return await this.#run(`looking for a time in topic '${topic.name}'`, signal, async () =>
      this.#ends.placesAt((await this.#store.kept(topic)).topic, partitionsOf(topic), timeMs),
    );
  }

  async join(
    topic: StoredTopic,
    group: string,
    _as: string,
    signal: AbortSignal,
  ): Promise<LogMember> {
    return await this.#run(
      `joining group '${group}' of topic '${topic.name}'`,
      signal,
      async (inner) => {
        const { name } = await this.#store.current(topic);
        const member = new GroupMember({
          settings: this.#settings,
          store: this.#store,
          ends: this.#ends,
          topic,
          kafkaTopic: name,
          group,
          left: () => this.#members.delete(member),
        });
        await member.open(inner);
        this.#members.add(member);
        if (this.#closed.signal.aborted) await member.close();
        return member;
      },
    );
  }

  async pointers(
    topic: StoredTopic,
    group: string,
    signal: AbortSignal,
  ): Promise<readonly (StoredPointer | undefined)[]> {
    return await this.#run(
      `reading the pointers of group '${group}' of topic '${topic.name}'`,
      signal,
      async (inner) => {
        const { topic: name } = await this.#store.kept(topic);
        const id = groupId(topic, group);
        return await this.#control.coordinated(id, inner, (broker) =>
          fetchPointers(broker, id, name, partitionsOf(topic)),
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
    return await this.#run(
      `changing the pointers of group '${group}' of topic '${topic.name}'`,
      signal,
      async (inner) => {
        const { name, leaders } = await this.#store.current(topic);
        const context = {
          settings: this.#settings,
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
    await this.#run(`removing group '${group}' of topic '${topic.name}'`, signal, (inner) =>
      deleteGroup(this.#control, groupId(topic, group), group, inner),
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

  async #kept(
    topic: StoredTopic,
    attempt: string,
    signal: AbortSignal,
  ): Promise<{ readonly topic: string }> {
    return (
      this.#store.known(topic) ?? (await this.#run(attempt, signal, () => this.#store.kept(topic)))
    );
  }

  /** Bounded by the signal and by close, and with errors as the runtime takes them. */
  async #run<T>(
    attempt: string,
    signal: AbortSignal,
    step: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    this.#check(signal);
    const either = AbortSignal.any([signal, this.#closed.signal]);
    try {
      return await abortable(step(either), either);
    } catch (error) {
      this.#check(signal);
      throw classify(error, attempt);
    }
  }

  #check(signal: AbortSignal): void {
    this.#closed.signal.throwIfAborted();
    signal.throwIfAborted();
  }
}

function partitionsOf({ partitions }: StoredTopic): readonly number[] {
  return Array.from({ length: partitions }, (_, partition) => partition);
}
