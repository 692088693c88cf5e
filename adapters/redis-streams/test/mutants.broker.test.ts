import { describe, it } from 'node:test';
import { testUrl } from '@duobus/brokers';
import { mutantSuite, overUrl } from '@duobus/conformance';
import { createAdapter } from '../src/index.ts';

const url = testUrl('redis');

describe('broken adapters', () => {
  mutantSuite({
    test: it,
    adapter: { name: 'redis-streams', ...overUrl(url) },
    makeAdapter: () => createAdapter({ url }),
  });
});
