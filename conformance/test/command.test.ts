import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Report } from '../src/index.ts';

const file = fileURLToPath(new URL('../src/command.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'duobus-conformance-'));
after(() => rmSync(folder, { recursive: true }));

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

async function command(...args: readonly string[]): Promise<Ended> {
  const child = spawn(process.execPath, ['--conditions=duobus:source', file, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, err] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, out, err };
}

describe('duobus-conformance', () => {
  it('prints a table and writes the report', async () => {
    const path = join(folder, 'report.json');
    const { code, out } = await command(
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
    const { code, err } = await command(
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
      const { code, err, out } = await command(...args);
      assert.equal(code, 2, args.join(' '));
      assert.match(err, sentence);
      assert.equal(out, '');
    }
  });

  it('says how it is used', async () => {
    const { code, out } = await command('--help');
    assert.equal(code, 0);
    assert.match(out, /--adapter NAME/);
  });

  it('lists the cases with their rules', async () => {
    const { code, out } = await command('--list');
    assert.equal(code, 0);
    assert.match(out, /^D5 +offset-reset$/m);
  });
});
