import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { root } from '../pages.ts';

/** Node strips types, and decorators are none: this code has to be compiled, as those do who use decorators. */
describe('the code of the documentation with decorators', () => {
  it('runs when it is compiled: decorated/inversify.ts', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'duobus-decorators-'));
    try {
      const tsc = join(root, 'node_modules/typescript/bin/tsc');
      const project = join(root, 'docs/snippets/decorated');
      assert.equal(await run([tsc, '-p', project, '--outDir', folder], folder), '');
      await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
      await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
      const program = join(folder, 'docs/snippets/decorated/inversify.js');
      assert.equal(await run(['--conditions=duobus:source', program], folder), '1 2\n');
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

async function run(args: readonly string[], cwd: string): Promise<string> {
  const { NODE_TEST_CONTEXT: _, ...environment } = process.env;
  const child = spawn(process.execPath, args, {
    cwd,
    env: { ...environment, BUS_URL: 'memory://docs' },
    timeout: 120_000,
  });
  const [output, errors, [code, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ]);
  assert.deepEqual([code, signal], [0, null], output + errors);
  return output;
}
