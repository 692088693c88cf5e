import { test } from 'node:test';
import { testUrl } from '@duobus/brokers';
import { overUrl, suite } from '@duobus/conformance';
import { heldByKafka } from './support/queue.ts';

const url = testUrl('kafka');
const brokerDepth = (topic: string): Promise<number> => heldByKafka(topic, url);

suite({ test, adapter: { name: 'kafka', ...overUrl(url), brokerDepth } });
