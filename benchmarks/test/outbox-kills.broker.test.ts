import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { isLeftOut, startBroker } from '@duobus/brokers';
import { kills, type KillsReport } from '../outbox/kills.ts';

/** The whole of it is `npm run outbox -- kills`. */
const size = { documents: 1_200, writers: 3, keys: 20, seed: 7 };

function assertSound(report: KillsReport): void {
  const { committed, published, lost, invented, overtaken, renamed } = report;
  // more where a commit was answered too late for its writer
  assert.ok(committed >= size.documents, `committed ${committed}`);
  assert.deepEqual(
    { published, lost, invented, overtaken, renamed },
    { published: committed, lost: 0, invented: 0, overtaken: 0, renamed: 0 },
  );
}

if (!isLeftOut('redis')) {
  describe('relays that are killed and stopped', () => {
    it('lose and invent nothing and keep order, over PostgreSQL', async () => {
      await using postgres = await startBroker('postgres');
      await using redis = await startBroker('redis');
      assertSound(await kills({ shopUrl: postgres.url, busUrl: redis.url, ...size }));
    });

    it('lose and invent nothing where database and broker are killed as well', async () => {
      await using postgres = await startBroker('postgres');
      await using redis = await startBroker('redis', { config: { appendfsync: 'always' } });
      const faults = [postgres, redis, postgres].map((one) => async () => {
        await one.kill9();
        await one.start();
      });
      assertSound(await kills({ shopUrl: postgres.url, busUrl: redis.url, ...size, faults }));
    });

    it('lose and invent nothing and keep order, over SQLite', async () => {
      await using redis = await startBroker('redis');
      const folder = mkdtempSync(join(tmpdir(), 'duobus-outbox-'));
      try {
        const shopUrl = join(folder, 'shop.db');
        assertSound(await kills({ shopUrl, busUrl: redis.url, ...size }));
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  });
}
