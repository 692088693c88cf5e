import { describe, it } from 'node:test';
import { memoryStore } from '@duobus/core';
import { inboxSuite } from '../../src/inbox/index.ts';
import { memoryHarness } from './memory-harness.ts';

describe('memoryStore, by the suite for stores', () => {
  inboxSuite({ test: it, store: memoryHarness(memoryStore) });
});
