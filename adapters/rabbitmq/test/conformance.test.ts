import { test } from 'node:test';
import { testUrl } from '@duobus/brokers';
import { overUrl, suite } from '@duobus/conformance';

const url = testUrl('rabbitmq');

suite({ test, adapter: { name: 'rabbitmq', ...overUrl(url) } });
