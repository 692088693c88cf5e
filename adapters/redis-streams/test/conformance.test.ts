import { test } from 'node:test';
import { testUrl } from '@duobus/brokers';
import { overUrl, suite } from '@duobus/conformance';

const url = testUrl('redis');

suite({ test, adapter: { name: 'redis-streams', ...overUrl(url) } });
