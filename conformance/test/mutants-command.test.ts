import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { KillMatrix } from '../src/mutants/kill.ts';
import { command } from './support/command.ts';

const folder = mkdtempSync(join(tmpdir(), 'duobus-mutants-'));
after(() => rmSync(folder, { recursive: true }));
const mutants = (...args: readonly string[]): ReturnType<typeof command> =>
  command('mutants/command.ts', ...args);

describe('duobus-mutants', () => {
  it('prints the matrix and writes it', async () => {
    const path = join(folder, 'matrix.json');
    const { code, out } = await mutants(
      '--adapter',
      'memory',
      '--mutant',
      'lose-nth',
      '--mutant',
      'reverse@data.read',
      '--case',
      'fan-out',
      '--case',
      'read',
      '--json',
      path,
    );
    assert.equal(code, 0);
    assert.match(out, /^lose-nth@event\.publish +x +\. +1$/m);
    assert.match(out, /^\(no fault\) +[.]+$/m);
    assert.match(out, /^ +1 +fan-out$/m);
    assert.match(out, /^memory: 11 mutants, 11 killed by the case named for them, 0 survive/m);
    const matrix = JSON.parse(readFileSync(path, 'utf8')) as KillMatrix;
    const [first] = matrix.mutants;
    assert.deepEqual(
      [matrix.adapter, matrix.mutants.length, first?.name, first?.fate, first?.cases],
      ['memory', 11, 'lose-nth@event.publish', 'killed', { 'fan-out': 'killed', read: 'survived' }],
    );
  });

  it('shows an adapter that is reached by a URL one of every kind, in processes of their own', async () => {
    const own = fileURLToPath(new URL('./support/own-adapter.ts', import.meta.url));
    const wanted = ['lose-nth', 'share-a-cursor'].flatMap((name) => ['--mutant', name]);
    const { code, out, err } = await mutants(
      '--adapter',
      own,
      '--url',
      'own://whole',
      '--slow',
      '0.5',
      '--sample',
      '--named',
      ...wanted,
    );
    assert.equal(code, 0, err);
    assert.match(out, /^own-adapter: 2 mutants, 2 killed by the case named for them, 0 survive/m);
  });

  it('lists the mutants, and says how it is used', async () => {
    assert.match((await mutants('--list')).out, /^share-a-cursor@event +fan-out$/m);
    assert.match((await mutants('--help')).out, /--adapter NAME/);
  });

  it('ends with 2 and a sentence for wrong arguments, without a broker', async () => {
    for (const [args, sentence] of [
      [[], /say which adapter/],
      [['--url', 'memory:'], /say which adapter/],
      [
        ['--adapter', 'memory', '--mutant', 'nonsense'],
        /there is no mutant or operator 'nonsense'/,
      ],
      [['--adapter', 'memory', '--case', 'nonsense'], /there is no case 'nonsense'/],
      [['--adapter', 'memory', '--slow', 'x'], /--slow must be a number/],
    ] as const) {
      const { code, err } = await mutants(...args);
      assert.equal(code, 2, args.join(' '));
      assert.match(err, sentence);
    }
  });
});
