import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe } from 'node:test';

// #region suite
import { it } from 'node:test';
import { overUrl, suite } from '@duobus/conformance';
import * as sqlite from '../snippets/sqlite/index.ts';

// #endregion suite
describe('the adapter of the tutorial', () => {
  const folder = mkdtempSync(join(tmpdir(), 'duobus-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'conformance.db');
  const adapter = new URL('../snippets/sqlite/index.ts', import.meta.url).href;

  suite({ test: it, adapter: { name: 'sqlite', ...overUrl(`sqlite:${file}`, { module: sqlite, adapter }) } });
});
