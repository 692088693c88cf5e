import { after, before, describe, it } from 'node:test';
import { type Broker, startBroker } from '@duobus/brokers';
import { inboxSuite } from '@duobus/conformance/inbox';
import { inboxHarness } from './support/inbox-harness.ts';

describe('redisStore, by the suite for stores', () => {
  const server = { url: '' };
  let broker: Broker;
  before(async () => {
    broker = await startBroker('redis');
    server.url = broker.url;
  });
  after(() => broker.stop());

  inboxSuite({ test: it, store: inboxHarness(server) });
});
