import {
  abortable,
  BusError,
  type StoredTopic,
  type TopologyMode,
  type WantedTopic,
} from '@duobus/core/driver';
import { Carrier } from './carrier.ts';
import type { KafkaClient } from './client.ts';
import { createClient } from './kafkajs-client.ts';
import { Leaders } from './leaders.ts';
import { LogEnds } from './log-ends.ts';
import { classify } from './native-errors.ts';
import type { Settings } from './options.ts';
import { Producer } from './producer.ts';
import { Reader } from './reader.ts';
import { RegistryTopic } from './registry-topic.ts';
import { TopicStore } from './topic-store.ts';

interface Closable {
  close(): Promise<void>;
}

/** What a driver has of the cluster, whichever bus it is for: connections, topics, and members to be closed with it. */
export class Connection {
  readonly settings: Settings;
  readonly native: KafkaClient;
  readonly control: Carrier;
  readonly ends: LogEnds;
  readonly producer: Producer;
  readonly reader: Reader;
  readonly registry: RegistryTopic;
  readonly store: TopicStore;
  readonly #kind: StoredTopic['kind'];
  readonly #publishing: Carrier;
  readonly #members = new Set<Closable>();
  readonly #closed = new AbortController();

  constructor(settings: Settings, kind: StoredTopic['kind']) {
    this.settings = settings;
    this.#kind = kind;
    this.native = createClient(settings);
    this.control = new Carrier(settings);
    this.#publishing = new Carrier(settings);
    const leaders = new Leaders(this.control);
    this.ends = new LogEnds(this.control, leaders);
    this.producer = new Producer(
      this.#publishing,
      new Leaders(this.#publishing),
      settings.requestTimeoutMs - 500,
    );
    this.registry = new RegistryTopic(settings.registryTopic, this.control, leaders, this.producer);
    this.store = new TopicStore(settings, this.control, leaders, this.ends, this.registry);
    this.reader = new Reader(settings);
  }

  /** Aborted by `close`. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  async open(signal: AbortSignal): Promise<void> {
    await this.run('connecting to Kafka', signal, () => this.control.metadata([]));
  }

  async close(): Promise<void> {
    this.#closed.abort(new BusError('DUOBUS_CLOSED', 'the Kafka adapter has been closed'));
    await Promise.all([...this.#members].map((member) => member.close()));
    this.control.close();
    this.#publishing.close();
    this.reader.close();
  }

  /** Closed with this connection, at once if that is over. */
  async keep(member: Closable): Promise<void> {
    this.#members.add(member);
    if (this.#closed.signal.aborted) await member.close();
  }

  left(member: Closable): void {
    this.#members.delete(member);
  }

  async topics(
    names: readonly string[] | undefined,
    signal: AbortSignal,
  ): Promise<readonly StoredTopic[]> {
    return await this.run('listing topics', signal, () => this.store.list(this.#kind, names));
  }

  async ensureTopic(
    wanted: WantedTopic,
    mode: TopologyMode,
    signal: AbortSignal,
  ): Promise<StoredTopic> {
    return await this.run(`making sure of topic '${wanted.name}'`, signal, (inner) =>
      this.store.ensure(wanted, mode, inner),
    );
  }

  async alterTopic(
    current: StoredTopic,
    next: StoredTopic,
    signal: AbortSignal,
  ): Promise<StoredTopic> {
    return await this.run(`altering topic '${current.name}'`, signal, (inner) =>
      this.store.alter(current, next, inner),
    );
  }

  /** The Kafka topic that a topic is kept in; asks only if this process does not know it. */
  async kept(
    topic: StoredTopic,
    attempt: string,
    signal: AbortSignal,
  ): Promise<{ readonly topic: string }> {
    this.check(signal);
    return (
      this.store.known(topic) ?? (await this.run(attempt, signal, () => this.store.kept(topic)))
    );
  }

  /** Bounded by the signal and by close, and with errors as the runtime takes them. */
  async run<T>(
    attempt: string,
    signal: AbortSignal,
    step: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    this.check(signal);
    const either = AbortSignal.any([signal, this.#closed.signal]);
    try {
      return await abortable(step(either), either);
    } catch (error) {
      this.check(signal);
      throw classify(error, attempt);
    }
  }

  check(signal: AbortSignal): void {
    this.#closed.signal.throwIfAborted();
    signal.throwIfAborted();
  }
}
