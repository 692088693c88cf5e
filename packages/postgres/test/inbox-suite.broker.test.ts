import { after, before, describe, it } from 'node:test';
import { type Broker, startBroker } from '@duobus/brokers';
import { inboxSuite } from '@duobus/conformance/inbox';
import pg from 'pg';
import { postgresInbox } from '../src/index.ts';
import { inboxHarness } from './support/inbox-harness.ts';

describe('postgresInbox, by the suite for stores', () => {
  const server = { url: '' };
  let broker: Broker;
  before(async () => {
    broker = await startBroker('postgres');
    server.url = broker.url;
    const pool = new pg.Pool({ connectionString: broker.url });
    await postgresInbox(pool).migrate();
    await pool.query('CREATE TABLE effects (effect text)');
    await pool.end();
  });
  after(() => broker.stop());

  inboxSuite({ test: it, store: inboxHarness(server) });
});
