import { describe, it } from 'node:test';
import { inProcess, suite } from '@duobus/conformance';
import { MemoryCloud } from './support/memory-log.ts';
import { MemoryObjects } from './support/memory-objects.ts';

describe('conformance', () => {
  const cloud = new MemoryCloud(new MemoryObjects(Date.now, 1_000));
  const restart = async (): Promise<void> => cloud.restart();
  suite({
    test: it,
    adapter: {
      name: 'object-log',
      ...inProcess(() => ({ name: 'object-log', log: cloud.process().driver })),
      faults: { restart, kill9: restart },
    },
  });
});
