import { describe, it } from 'node:test';
import { mutantSuite } from '../src/index.ts';
import { memory, memoryHarness, MemoryBroker } from './support/memory.ts';

describe('mutantSuite', () => {
  const broker = new MemoryBroker('mutant-suite');
  mutantSuite({
    test: it,
    adapter: { ...memoryHarness(), slow: 0.3 },
    makeAdapter: () => memory(broker),
    concurrency: 16,
  });
});
