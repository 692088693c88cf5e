import { test } from 'node:test';
import { testUrl } from '@duobus/brokers';
import { overUrl, suite } from '@duobus/conformance';

const url = testUrl('kafka');

suite({ test, adapter: { name: 'kafka', ...overUrl(url) } });
