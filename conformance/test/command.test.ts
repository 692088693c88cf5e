import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import type { Report } from '../src/index.ts';
import { command } from './support/command.ts';

const folder = mkdtempSync(join(tmpdir(), 'duobus-conformance-'));
after(() => rmSync(folder, { recursive: true }));

const conformance = (...args: readonly string[]): ReturnType<typeof command> =>
  command('command.ts', ...args);

describe('duobus-conformance', () => {
  it('prints a table and writes the report', async () => {
    const path = join(folder, 'report.json');
    const { code, out } = await conformance(
      '--adapter',
      'memory',
      '--case',
      'fan-out',
      '--case',
      'read',
      '--seed',
      '5',
      '--report',
      path,
    );
    assert.equal(code, 0);
    assert.match(out, /E1 E9 +fan-out +pass/);
    const report = JSON.parse(readFileSync(path, 'utf8')) as Report;
    assert.deepEqual(
      [report.adapter, report.seed, report.cases.map(({ name }) => name)],
      ['memory', 5, ['fan-out', 'read']],
    );
    assert.ok(report.versions['@duobus/core']);
  });

  it('ends with 1 when a case fails', async () => {
    const { code, err } = await conformance(
      '--url',
      'memory://x',
      '--case',
      'competing-consumers',
      '--slow',
      '0.1',
    );
    // Over a URL its consumers run in processes of their own, which do not share a memory broker.
    assert.equal(code, 1);
    assert.match(err, /FAIL competing-consumers/);
  });

  it('ends with 2 and a sentence for wrong arguments, without a broker', async () => {
    for (const [args, sentence] of [
      [[], /say which adapter/],
      [['--frobnicate'], /Unknown option/],
      [['--adapter', 'memory', '--seed', 'x'], /--seed must be a number/],
      [['--adapter', 'memory', '--case', 'nonsense'], /there is no case 'nonsense'/],
      [['--adapter', 'duobus-nats'], /--url is missing/],
      [['--url', 'nats://127.0.0.1'], /no adapter for the scheme 'nats'/],
    ] as const) {
      const { code, err, out } = await conformance(...args);
      assert.equal(code, 2, args.join(' '));
      assert.match(err, sentence);
      assert.equal(out, '');
    }
  });

  it('says how it is used', async () => {
    const { code, out } = await conformance('--help');
    assert.equal(code, 0);
    assert.match(out, /--adapter NAME/);
  });

  it('lists the cases with their rules', async () => {
    const { code, out } = await conformance('--list');
    assert.equal(code, 0);
    assert.match(out, /^D5 +offset-reset$/m);
  });
});
