import { describe, it } from 'node:test';
import { testUrl } from '@duobus/brokers';
import { mutantSuite, overUrl } from '@duobus/conformance';
import { createAdapter } from '../src/index.ts';

const url = testUrl('sns-sqs');
// a death is noticed, and a new subscription probed, as fast as tests can wait for
const options = { visibilityMs: 5_000, leaseMs: 5_000 };

describe('broken adapters', () => {
  mutantSuite({
    test: it,
    adapter: { name: 'sns-sqs', ...overUrl(url, { options }) },
    makeAdapter: () => createAdapter({ url, options }),
  });
});
