import assert from 'node:assert/strict';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { withLock } from '../src/lock.ts';
import { ensureFolder, home } from '../src/paths.ts';

const name = `test-${process.pid}`;
const file = join(ensureFolder(join(home, 'lock')), name);
after(() => rmSync(file, { force: true }));

describe('withLock', () => {
  it('lets one in at a time', async () => {
    let inside = 0;
    let most = 0;
    const body = async (): Promise<void> => {
      inside += 1;
      most = Math.max(most, inside);
      await new Promise((done) => setImmediate(done));
      inside -= 1;
    };
    await Promise.all([1, 2, 3, 4].map(() => withLock(name, body)));
    assert.equal(most, 1);
  });

  it('is released by an error', async () => {
    await assert.rejects(
      withLock(name, () => Promise.reject(new Error('inside'))),
      /inside/,
    );
    assert.equal(existsSync(file), false);
  });

  it('takes over from an owner that died', async () => {
    writeFileSync(file, JSON.stringify({ pid: process.pid, started: '1' }));
    assert.equal(await withLock(name, () => 'mine'), 'mine');
  });
});
