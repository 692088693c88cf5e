import { spawn } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { sweep } from '../packages/brokers/src/index.ts';

const root = resolve(fileURLToPath(import.meta.url), '../..');
/** Of one file: a whole conformance run against a slow broker fits, a hang does not. */
const timeoutMs = 600_000;

export const find = (patterns) => globSync(patterns, { cwd: root }).toSorted();

let interrupted;
let current;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    interrupted ??= signal;
    current?.kill('SIGTERM');
  });
}

export const wasInterrupted = () => interrupted !== undefined;

/** Runs these test files and resolves to the counts and whether all is well. */
export async function runTests(files, env = {}) {
  if (interrupted !== undefined) return { passed: 0, failed: 1, skipped: 0, ok: false };
  const folder = mkdtempSync(join(tmpdir(), 'duobus-test-'));
  const countsFile = join(folder, 'counts.json');
  const reporter = pathToFileURL(join(root, '.ci/reporter.mjs')).href;
  const flags = [
    ...process.execArgv,
    '--test',
    '--test-concurrency=2',
    `--test-timeout=${timeoutMs}`,
    `--test-reporter=${reporter}`,
    '--test-reporter-destination=stdout',
  ];
  try {
    current = spawn(process.execPath, [...flags, ...files], {
      cwd: root,
      stdio: 'inherit',
      env: { ...process.env, ...env, DUOBUS_TEST_COUNTS_FILE: countsFile },
    });
    const code = await new Promise((done) => current.on('exit', done));
    await sweep(); // private brokers of a test that was killed
    const counts = readCounts(countsFile);
    return { ...counts, ok: code === 0 && interrupted === undefined };
  } finally {
    current = undefined;
    rmSync(folder, { recursive: true, force: true });
  }
}

/** No counts: the run itself died, which is a failure like any other. */
function readCounts(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return { passed: 0, failed: 1, skipped: 0 };
  }
}
