import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, it } from 'node:test';
import { render, unmarkedBlocks } from '../markdown.ts';
import { pageNames, readPage, root, sources } from '../pages.ts';

const link = /\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)/g;

for (const name of pageNames()) {
  describe(name, () => {
    const page = readPage(name);

    it('is in step with its snippets and with what is generated: npm run generate -w docs', () => {
      assert.equal(page, render(page, sources));
    });

    it('shows no TypeScript that no test runs', () => {
      assert.deepEqual(unmarkedBlocks(page), []);
    });

    it('links to what exists', () => {
      const broken = [...page.matchAll(link)]
        .map(([, target = '']) => target)
        .filter((target) => !existsSync(normalize(join(root, dirname(name), target))));
      assert.deepEqual(broken, []);
    });
  });
}

describe('README.md', () => {
  it('fits in 150 lines', () => {
    assert.ok(readPage('README.md').trimEnd().split('\n').length <= 150);
  });
});
