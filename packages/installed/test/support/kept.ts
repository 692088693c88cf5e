import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './packages.ts';

export interface Size {
  readonly adapter: string;
  /** Besides those of duobus itself. */
  readonly dependencies: number;
  readonly bytes: number;
}

const folder = join(root, 'docs/results/installed');

/** Newer versions of dependencies come by themselves: what the README says stays about right. */
const slack = { dependencies: 0.2, bytes: 0.25 };

/** Compares with what the documentation shows; with UPDATE=1 that becomes what was found. */
export function keepOrCompare(found: Size): void {
  const file = join(folder, `${found.adapter}.json`);
  if (process.env['UPDATE'] === '1') {
    mkdirSync(folder, { recursive: true });
    writeFileSync(file, `${JSON.stringify(found, undefined, 2)}\n`);
  }
  const kept = read(file);
  for (const key of ['dependencies', 'bytes'] as const) {
    const off = Math.abs(found[key] - kept[key]);
    assert.ok(
      off <= kept[key] * slack[key],
      `${found.adapter} installs ${found[key]} ${key}, the README says ${kept[key]}: if that is meant, ` +
        `UPDATE=1 npm test -w packages/installed, and npm run generate -w docs`,
    );
  }
}

function read(file: string): Size {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Size;
  } catch (error) {
    return assert.fail(`${file} cannot be read: run this test with UPDATE=1. ${String(error)}`);
  }
}
