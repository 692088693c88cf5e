import { randomUUID } from 'node:crypto';
import { BusError, type LogDriver, type StoredTopic } from '@duobus/core/driver';
import {
  objectLogCapabilities,
  ObjectLogDriver,
  type ObjectLogOptions,
  type ObjectStore,
  TopicShelf,
} from '../../src/index.ts';
import { MemoryBells, MemoryObjects } from './memory-objects.ts';
import { MemoryStore } from './memory-store.ts';

const forever = new AbortController().signal;

type Given = Partial<Pick<ObjectLogOptions<unknown>, 'lookEveryMs' | 'rivalWaitMs' | 'upkeep'>> & {
  readonly leaseMs?: number;
};

/** Objects and bells that several processes share. */
export class MemoryCloud {
  readonly objects: MemoryObjects;
  readonly bells: MemoryBells = new MemoryBells();
  readonly #connections = new Set<Connection>();

  constructor(objects: MemoryObjects = new MemoryObjects()) {
    this.objects = objects;
  }

  /** One process: a driver with a way of its own to the store. */
  process(
    given: Given = {},
    store: MemoryStore = new MemoryStore(this.objects),
  ): { readonly driver: ObjectLogDriver<MemoryStore>; readonly store: MemoryStore } {
    const connection = new Connection();
    this.#connections.add(connection);
    const { leaseMs = 2_000, ...others } = given;
    const guarded = connection.guard(store);
    const driver = new ObjectLogDriver<MemoryStore>({
      store: guarded,
      doorbell: this.bells.doorbell,
      shelf: new TopicShelf({
        store: guarded,
        kind: 'data',
        root: 'test/',
        make: async () => ({}),
        unmake: async () => undefined,
      }),
      root: 'test/',
      native: store,
      capabilities: objectLogCapabilities({
        durability: { processKill: false, hostLoss: false, leaderLoss: false, note: 'a test' },
        maxDocumentBytes: 16_777_216,
        maxDocumentBytesHelp: 'nothing helps',
        timeGranularityMs: this.objects.roundMs,
        leaseMs,
      }),
      connection,
      ...others,
    });
    return { driver, store };
  }

  /** Every connection is lost; they can be opened again. */
  restart(): void {
    for (const connection of this.#connections) connection.cut();
  }
}

class Connection {
  #ending = new AbortController();

  async open(): Promise<void> {
    if (this.#ending.signal.aborted) this.#ending = new AbortController();
  }

  async close(): Promise<void> {
    this.cut();
  }

  ended(): AbortSignal {
    return this.#ending.signal;
  }

  cut(): void {
    this.#ending.abort(
      new BusError('DUOBUS_UNAVAILABLE', 'the connection was cut', { retryable: true }),
    );
  }

  guard(store: ObjectStore): ObjectStore {
    const check = async <T>(run: () => Promise<T>): Promise<T> => {
      const { reason, aborted } = this.#ending.signal;
      if (aborted)
        throw new BusError(reason.code, reason.message, { retryable: true, outcome: 'rejected' });
      return run();
    };
    return {
      get: (...args) => check(() => store.get(...args)),
      put: (...args) => check(() => store.put(...args)),
      remove: (...args) => check(() => store.remove(...args)),
      list: (...args) => check(() => store.list(...args)),
    };
  }
}

export function topicOf(given: Partial<StoredTopic> = {}): StoredTopic {
  return {
    v: 1,
    kind: 'data',
    name: 'orders',
    order: 'key',
    partitions: 1,
    retention: { maxAgeMs: null, maxBytes: null },
    compacted: false,
    incarnation: randomUUID(),
    ...given,
  };
}

export const never: AbortSignal = forever;

/** Gives a topic its record: what looks after a log asks for it. */
export async function shelve(driver: LogDriver, topic: StoredTopic): Promise<void> {
  await driver.ensureTopic(topic, 'create', never);
}
