import { spawn } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { sweep } from '../packages/brokers/src/index.ts';
import { identify, killGroup, signalGroup } from '../packages/brokers/src/processes.ts';

const root = resolve(fileURLToPath(import.meta.url), '../..');
/** Of one file: a whole conformance run against a slow broker fits, a hang does not. */
const timeoutMs = 600_000;

export const find = (patterns) => globSync(patterns, { cwd: root }).toSorted();

let interrupted;
let current;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    interrupted ??= signal;
    if (current !== undefined) signalGroup(current, 'SIGTERM');
  });
}

export const wasInterrupted = () => interrupted !== undefined;

/** Runs a command of the repository, and resolves to its exit code. */
async function runNode(args, env) {
  const child = spawn(process.execPath, [...process.execArgv, ...args], {
    cwd: root,
    stdio: 'inherit',
    // a group of its own: node --test leaves the processes of its files behind when it is ended
    detached: true,
    env: { ...process.env, ...env },
  });
  current = identify(child.pid);
  const code = await new Promise((done) => child.on('exit', done));
  await killGroup(current);
  current = undefined;
  await sweep(); // private brokers of tests that were killed
  return code;
}

/** Random histories against a broker that runs; resolves to whether all are allowed. */
export async function runHistories(adapter, url, runs) {
  if (interrupted !== undefined) return false;
  const args = ['--adapter', adapter, '--url', url, '--runs', String(runs)];
  const code = await runNode(['conformance/histories/command.ts', ...args], {});
  return code === 0 && interrupted === undefined;
}

/** A broken adapter of every kind against a broker that runs; resolves to whether each is found, and the whole one is not. */
export async function runMutants(adapter, url) {
  if (interrupted !== undefined) return false;
  const args = ['--adapter', adapter, '--url', url, '--sample', '--named'];
  const code = await runNode(['conformance/src/mutants/command.ts', ...args], {});
  return code === 0 && interrupted === undefined;
}

/** Runs these test files and resolves to the counts and whether all is well. */
export async function runTests(files, env = {}) {
  if (interrupted !== undefined) return { passed: 0, failed: 1, skipped: 0, ok: false };
  if (files.length === 0) {
    // without files, node --test would look for its own
    console.error('there are no test files to run');
    return { passed: 0, failed: 1, skipped: 0, ok: false };
  }
  const folder = mkdtempSync(join(tmpdir(), 'duobus-test-'));
  const countsFile = join(folder, 'counts.json');
  const reporter = pathToFileURL(join(root, '.ci/reporter.mjs')).href;
  const flags = [
    '--test',
    '--test-concurrency=3',
    `--test-timeout=${timeoutMs}`,
    `--test-reporter=${reporter}`,
    '--test-reporter-destination=stdout',
  ];
  try {
    const code = await runNode([...flags, ...files], {
      ...env,
      DUOBUS_TEST_COUNTS_FILE: countsFile,
    });
    const counts = readCounts(countsFile);
    return { ...counts, ok: code === 0 && interrupted === undefined };
  } finally {
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
