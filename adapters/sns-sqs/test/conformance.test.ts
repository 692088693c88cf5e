import { test } from 'node:test';
import { testUrl } from '@duobus/brokers';
import { overUrl, suite } from '@duobus/conformance';

// a death is noticed, and a new subscription probed, as fast as tests can wait for
const options = { visibilityMs: 5_000, leaseMs: 5_000 };

suite({ test, adapter: { name: 'sns-sqs', ...overUrl(testUrl('sns-sqs'), { options }) } });
