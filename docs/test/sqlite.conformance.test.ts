// #region suite
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { overUrl, suite } from '@duobus/conformance';
import * as sqlite from '../snippets/sqlite/index.ts';

const adapter = fileURLToPath(new URL('../snippets/sqlite/index.ts', import.meta.url));

describe('the SQLite adapter', () => {
  const folder = mkdtempSync(join(tmpdir(), 'duobus-'));
  after(() => rmSync(folder, { recursive: true }));
  const url = `sqlite:${join(folder, 'suite.db')}`;
  suite({ test: it, adapter: { name: 'sqlite', ...overUrl(url, { module: sqlite, adapter }) } });
});
// #endregion suite
