import { describe, it } from 'node:test';
import { inProcess, suite } from '@duobus/conformance';
import { memory, MemoryBroker } from '../src/index.ts';

describe('conformance', () => {
  const broker = new MemoryBroker('conformance');
  const restart = async (): Promise<void> => broker.restart();
  suite({
    test: it,
    adapter: {
      name: 'memory',
      ...inProcess(() => memory(broker)),
      faults: { restart, kill9: restart },
      brokerDepth: async (topic) => broker.eventDepth(topic),
    },
  });
});
