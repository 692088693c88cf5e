import { type Adapter, type Bus, connect, topic } from '@duobus/core';
import { Looks } from '@duobus/test-support';
import {
  type MemoryOutbox,
  type MemoryOutboxOptions,
  memoryOutbox,
  type Relay,
  type RelayEvent,
  type RelayOptions,
  startRelay,
} from '../../src/index.ts';

/** What tests use of the memory adapter's MemoryBroker. */
interface MemoryBroker {
  failPublishes(fault: { readonly outcome: 'rejected' | 'unknown'; readonly count?: number }): void;
  stop(): void;
  start(): void;
}

interface MemoryModule {
  readonly MemoryBroker: new (name: string) => MemoryBroker;
  memory(broker: MemoryBroker): Adapter;
}

/** Not by name: an adapter is tested with the suite, which is about outboxes too, so no package may go round in a circle. */
const specifier: string = '@duobus/memory';
const { memory, MemoryBroker: Broker } = (await import(specifier)) as MemoryModule;

export interface Order {
  readonly key?: string;
  readonly n: number;
}

export const Orders = topic<Order>('orders', { key: ({ key }) => key });

/** An outbox, a bus that can be made to fail, and what was delivered. */
export interface Stage extends AsyncDisposable {
  readonly outbox: MemoryOutbox;
  readonly bus: Bus;
  readonly broker: MemoryBroker;
  readonly got: { readonly n: number; readonly id: string; readonly source: string }[];
  readonly events: RelayEvent[];
  /** Commits documents with these numbers, of one key. */
  write(key: string | undefined, ...numbers: readonly number[]): readonly string[];
  relay(options?: RelayOptions): Promise<Relay>;
  /** Looks again with every event and delivery until it holds. */
  until(holds: () => boolean): Promise<void>;
}

export async function stage(options: Partial<MemoryOutboxOptions> = {}): Promise<Stage> {
  const outbox = memoryOutbox({ source: '/shop', ...options });
  const broker = new Broker('outbox');
  const bus = await connect(memory(broker), { source: '/relay', publishTimeoutMs: 2_000 });
  const got: { n: number; id: string; source: string }[] = [];
  const events: RelayEvent[] = [];
  const relays: Relay[] = [];
  const looks = new Looks();
  await bus.events.subscribe(
    Orders,
    'all',
    ({ n }, { id, source }) => {
      got.push({ n, id, source });
      looks.look();
    },
    { concurrency: 1 },
  );
  return {
    outbox,
    bus,
    broker,
    got,
    events,
    write(key, ...numbers) {
      const tx = outbox.begin();
      const documents = numbers.map((n) => (key === undefined ? { n } : { key, n }));
      const ids = outbox.publishManySync(tx, Orders, documents);
      tx.commit();
      return ids;
    },
    async relay(options = {}) {
      const relay = await startRelay(outbox, bus, {
        ...options,
        onEvent: (event) => {
          events.push(event);
          options.onEvent?.(event);
          looks.look();
        },
      });
      relays.push(relay);
      return relay;
    },
    until: (holds) => looks.until(holds),
    async [Symbol.asyncDispose]() {
      await Promise.all(relays.map((relay) => relay.close()));
      await bus.close();
    },
  };
}
