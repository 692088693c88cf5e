import type { DatabaseSync } from 'node:sqlite';
import {
  BusError,
  type Binding,
  binaryBinding,
  type Outcome,
  type OutboundRecord,
  type QueueCapabilities,
  type QueueDriver,
  type QueueMember,
  type StoredTopic,
  type SubscriptionCounts,
  type TopologyMode,
} from '@duobus/core/driver';
import { SqliteQueueMember } from './queue-member.ts';
import { Store } from './store.ts';

// #region capabilities
export const capabilities: QueueCapabilities = Object.freeze({
  durability: {
    processKill: true,
    hostLoss: true,
    leaderLoss: false,
    note: 'Commits are synced to disk; there is one copy of the file.',
  },
  publish: { calls: 1, maxRecords: 500, maxBytes: 4_194_304, dedup: false },
  maxDocumentBytes: 16_777_216,
  maxDocumentBytesHelp: 'this adapter sets it: see capabilities',
  order: { none: true, key: false },
  keepsForMs: null,
  leaseMs: 43_200_000, // leases are renewed while their member lives
  maxDelayMs: Number.MAX_SAFE_INTEGER,
  brokerRepeats: false,
  countsLeased: true,
  countsConsumers: false,
});
// #endregion capabilities

// #region driver
/** The event bus over a SQLite file. */
export class SqliteQueueDriver implements QueueDriver<DatabaseSync> {
  readonly kind = 'queue';
  readonly native: DatabaseSync;
  readonly binding: Binding = binaryBinding({ prefix: 'ce_', contentType: 'content-type' });
  readonly capabilities: QueueCapabilities = capabilities;
  readonly #store: Store;

  constructor(file: string) {
    this.#store = new Store(file);
    this.native = this.#store.db;
  }

  async open(): Promise<void> {
    this.#try('open', () => this.#store.open());
  }

  async close(): Promise<void> {
    this.#store.close();
  }

  async ensureTopic(wanted: StoredTopic, mode: TopologyMode): Promise<StoredTopic> {
    return this.#try('ensure a topic', () => {
      if (mode === 'create') this.#store.createTopic(wanted);
      return this.#store.topic(wanted.name) ?? missing(`topic ${wanted.name}`);
    });
  }

  async topics(names: readonly string[] | undefined): Promise<readonly StoredTopic[]> {
    const all = this.#try('list topics', () => this.#store.topics());
    return names === undefined ? all : all.filter(({ name }) => names.includes(name));
  }

  async alterTopic(current: StoredTopic, next: StoredTopic): Promise<StoredTopic> {
    if (this.#try('alter a topic', () => this.#store.replaceTopic(current, next))) return next;
    throw new BusError(
      'DUOBUS_CONFLICT',
      `topic ${current.name} has been altered by somebody else: read it again`,
    );
  }

  async names(topic: StoredTopic): Promise<readonly string[]> {
    return this.#try('list subscriptions', () => this.#store.names(topic.name));
  }

  async ensureSubscription(
    topic: StoredTopic,
    name: string,
    mode: TopologyMode,
  ): Promise<'created' | 'existed'> {
    return this.#try('ensure a subscription', () => {
      if (this.#store.names(topic.name).includes(name)) return 'existed';
      if (mode === 'check') missing(`subscription ${name} of topic ${topic.name}`);
      return this.#store.subscribe(topic.name, name) ? 'created' : 'existed';
    });
  }

  async removeSubscription(topic: StoredTopic, name: string): Promise<void> {
    this.#try('remove a subscription', () => this.#store.unsubscribe(topic.name, name));
  }

  async publish(
    topic: StoredTopic,
    _partition: number,
    records: readonly OutboundRecord[],
  ): Promise<readonly Outcome[]> {
    try {
      this.#try('publish', () => this.#store.publish(topic.name, records));
      return records.map(() => ({ status: 'stored' }));
    } catch (error) {
      if (!BusError.is(error)) throw error;
      return records.map(() => ({ status: 'rejected', error })); // rolled back: certainly not stored
    }
  }

  async inspect(topic: StoredTopic, name: string): Promise<SubscriptionCounts> {
    this.#existing(topic.name, name);
    return this.#try('count', () => this.#store.counts(topic.name, name));
  }

  async consume(
    topic: StoredTopic,
    name: string,
    source: 'main' | 'dead',
    credit: number,
  ): Promise<QueueMember> {
    this.#existing(topic.name, name);
    const queue = { topic: topic.name, name, dead: source === 'dead' ? 1 : 0 } as const;
    return new SqliteQueueMember(this.#store, queue, credit);
  }

  #existing(topic: string, name: string): void {
    const names = this.#try('look for a subscription', () => this.#store.names(topic));
    if (!names.includes(name)) missing(`subscription ${name} of topic ${topic}`);
  }

  /** Only BusErrors may leave a driver. */
  #try<T>(what: string, action: () => T): T {
    try {
      return action();
    } catch (cause) {
      if (BusError.is(cause)) throw cause;
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new BusError('DUOBUS_UNAVAILABLE', `SQLite could not ${what}: ${reason}`, {
        cause,
        retryable: true,
      });
    }
  }
}
// #endregion driver

function missing(what: string): never {
  throw new BusError(
    'DUOBUS_NOT_FOUND',
    `${what} does not exist: create it, or connect with topology 'create'`,
  );
}
