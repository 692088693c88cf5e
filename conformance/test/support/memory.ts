import type { Adapter } from '@duobus/core';
import type { Clock, StoredTopic } from '@duobus/core/driver';
import { type Harness, inProcess } from '../../src/index.ts';

/** What tests use of the memory adapter's MemoryBroker. */
export interface MemoryBroker {
  readonly connections: ReadonlySet<{ readonly members: ReadonlySet<unknown> }>;
  readonly data: {
    list(names: readonly string[]): readonly StoredTopic[];
    get(topic: StoredTopic): { removeGroup(name: string): void };
  };
  cut(adapter?: Adapter): void;
  cutMembers(topic: string, name: string): number;
  stop(): void;
  start(): void;
  restart(): void;
  failPublishes(fault: {
    readonly outcome: 'rejected' | 'unknown';
    readonly count?: number;
    readonly stored?: boolean;
  }): void;
  removeTopic(kind: 'event' | 'data', name: string): void;
  eventDepth(topic: string): number;
}

interface MemoryModule {
  readonly MemoryBroker: new (name: string, options?: { readonly clock?: Clock }) => MemoryBroker;
  memory(broker: MemoryBroker): Adapter;
}

// Not an import: the memory adapter is tested by this package, so this package cannot depend on it.
const name: string = '@duobus/memory';
const module = (await import(name)) as MemoryModule;

export const MemoryBroker: MemoryModule['MemoryBroker'] = module.MemoryBroker;
export const memory: MemoryModule['memory'] = module.memory;

/** A fresh memory broker; `change` may break what the suite gets to see of it. */
export function memoryHarness(
  change: (adapter: Adapter) => Adapter = (adapter) => adapter,
): Harness {
  const broker = new MemoryBroker('conformance-test');
  const restart = async (): Promise<void> => broker.restart();
  return {
    name: 'memory',
    ...inProcess(() => change(memory(broker))),
    faults: { restart, kill9: restart },
    brokerDepth: async (topic) => broker.eventDepth(topic),
  };
}
