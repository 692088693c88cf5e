import { describe, it } from 'node:test';
import { inProcess, suite } from '@duobus/conformance';
import { MemoryCloud } from './support/memory-log.ts';
import { MemoryStore } from './support/memory-store.ts';

describe('conformance over a store that is slow, refuses and loses replies', () => {
  const cloud = new MemoryCloud();
  const process = () => {
    const store = new MemoryStore(cloud.objects);
    store.weather = { latencyMs: 4, refused: 0.02, silent: 0.02, late: 0.02, lateMs: 60 };
    // what goes wrong with pointers repeats documents, and may: cases ask that nothing is repeated
    store.isFaulty = (key) => key.includes('/log/');
    return cloud.process({ leaseMs: 3_000, lookEveryMs: 500 }, store).driver;
  };
  cloud.bells.deaf = 0.1;
  suite({
    test: it,
    adapter: {
      name: 'object-log',
      ...inProcess(() => ({ name: 'object-log', log: process() })),
      slow: 2,
    },
  });
});
