import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { junit, markdown, type Report } from '../src/index.ts';
import { command } from './support/command.ts';

const folder = mkdtempSync(join(tmpdir(), 'duobus-conformance-'));
after(() => rmSync(folder, { recursive: true }));

const conformance = (...args: readonly string[]): ReturnType<typeof command> =>
  command('command.ts', ...args);

describe('duobus-conformance', () => {
  it('prints a line for each case and a table, and writes the reports', async () => {
    const path = join(folder, 'reports/report.json');
    const [xml, page] = [join(folder, 'reports/junit.xml'), join(folder, 'matrix.md')];
    const { code, out, err } = await conformance(
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
      '--junit',
      xml,
      '--markdown',
      page,
    );
    assert.equal(code, 0);
    assert.match(err, /^pass (fan-out|read) \(\d+ ms, 1 of 2\)\npass .* 2 of 2\)\n$/);
    assert.match(out, /E1 E9 +fan-out +pass/);
    const report = JSON.parse(readFileSync(path, 'utf8')) as Report;
    assert.deepEqual(
      [report.adapter, report.seed, report.cases.map(({ name }) => name)],
      ['memory', 5, ['fan-out', 'read']],
    );
    assert.ok(report.versions['@duobus/core']);
    assert.equal(readFileSync(xml, 'utf8'), junit(report));
    assert.equal(readFileSync(page, 'utf8'), markdown(report));
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
    assert.match(err, /^FAIL competing-consumers\nPromised: Inside a subscription each document/m);
    assert.match(err, /^Usual cause: .*\nRun it again: --case competing-consumers --seed \d+$/m);
  });

  it('ends with 2 and a sentence for wrong arguments, without a broker', async () => {
    for (const [args, sentence] of [
      [[], /say which adapter/],
      [['--frobnicate'], /Unknown option/],
      [['--adapter', 'memory', '--seed', 'x'], /--seed must be a number/],
      [['--adapter', 'memory', '--case', 'nonsense'], /there is no case 'nonsense'/],
      [['--adapter', 'duobus-nats'], /--url is missing/],
      [
        ['--adapter', 'duobus-nats', '--url', 'nats:x'],
        /npm install duobus-nats, or give the path/,
      ],
      [['--adapter', './mine.js', '--url', 'mine:x'], /there is no file \.\/mine\.js in /],
      [['--url', 'nats://127.0.0.1'], /no adapter for the scheme 'nats'/],
    ] as const) {
      const { code, err, out } = await conformance(...args);
      assert.equal(code, 2, args.join(' '));
      assert.match(err, sentence);
      assert.equal(out, '');
    }
  });

  it('takes a file, and goes on when that leaves a rejected promise alone', async () => {
    const adapter = join(folder, 'careless.mjs');
    const queue = `{
      kind: 'queue', capabilities: { order: { none: true, key: false }, brokerRepeats: false },
      open: async () => {}, close: async () => {},
      ensureTopic: async () => { throw new Error('no topics here'); },
    }`;
    writeFileSync(
      adapter,
      `export function createAdapter() {
        setTimeout(() => Promise.reject(new Error('left alone')), 1);
        return { name: 'careless', queue: ${queue} };
      }`,
    );
    const { code, out, err } = await conformance(
      `--adapter=${adapter}`,
      '--url=careless:x',
      '--case=fan-out',
      '--case=read',
    );
    assert.equal(code, 1);
    assert.match(err, /A promise was rejected and nobody looked at it: Error: left alone/);
    assert.match(err, /^FAIL fan-out\nPromised: .*\nSeen: .*no topics here/m);
    assert.match(out, /^careless: 0 passed, 1 failed, 1 unsupported/m);
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
