import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, it } from 'node:test';
import { inboxSuite } from '@duobus/conformance/inbox';
import { inboxHarness } from './support/inbox-harness.ts';

describe('sqliteInbox, by the suite for stores', () => {
  const folder = mkdtempSync(join(tmpdir(), 'duobus-'));
  const database = new DatabaseSync(join(folder, 'suite.db'));
  database.exec('CREATE TABLE effects (effect TEXT)');
  database.close();
  after(() => rmSync(folder, { recursive: true }));

  inboxSuite({ test: it, store: inboxHarness({ folder }) });
});
