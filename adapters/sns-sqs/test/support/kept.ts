import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

const fileOf = (name: string): string =>
  fileURLToPath(new URL(`../../../../docs/results/${name}`, import.meta.url));

export const updating: boolean = process.env['UPDATE'] === '1';

/** What the documentation shows. Run with UPDATE=1 it becomes what was found. */
export function keep(name: string, found: unknown): void {
  const file = fileOf(name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(found, undefined, 2)}\n`);
}

export function kept(name: string): unknown {
  try {
    return JSON.parse(readFileSync(fileOf(name), 'utf8'));
  } catch (error) {
    assert.fail(`${name} cannot be read: run this test with UPDATE=1. ${String(error)}`);
  }
}
