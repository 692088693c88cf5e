import type { Adapter } from '@duobus/core';
import { type Harness, inProcess } from '../../src/index.ts';

interface Broker {
  restart(): void;
  eventDepth(topic: string): number;
}

interface MemoryModule {
  readonly MemoryBroker: new (name: string) => Broker;
  memory(broker: Broker): Adapter;
}

// Not an import: the memory adapter is tested by this package, so this package cannot depend on it.
const name: string = '@duobus/memory';
const { memory, MemoryBroker } = (await import(name)) as MemoryModule;

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
