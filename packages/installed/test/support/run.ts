import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { delimiter, dirname } from 'node:path';

/** A child of `node --test` would report to it, and npm's own Node may be older than the packages ask for. */
const { NODE_TEST_CONTEXT: _context, NODE_OPTIONS: _options, ...inherited } = process.env;
const env = {
  ...inherited,
  PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH'] ?? ''}`,
  TURBO_TELEMETRY_DISABLED: '1',
};

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  /** All that it said, to show when it was not what was expected. */
  readonly said: string;
}

/** Runs a program to its own end: one that hangs is killed, and has failed. */
export function run(cwd: string, program: string, ...args: readonly string[]): Promise<Ended> {
  return runWith({}, cwd, program, ...args);
}

/** As `run`, with more in its environment. */
export function runWith(
  more: Readonly<Record<string, string>>,
  cwd: string,
  program: string,
  ...args: readonly string[]
): Promise<Ended> {
  const options = { cwd, env: { ...env, ...more }, timeout: 120_000, maxBuffer: 64 * 1024 * 1024 };
  return new Promise((resolve) => {
    execFile(program, args, options, (error, stdout, stderr) => {
      const hung = error?.killed === true ? 'killed: it did not end by itself\n' : '';
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1;
      const said = `${[program, ...args].join(' ')}: exit code ${code}\n${hung}${stdout}${stderr}`;
      resolve({ code, stdout, said });
    });
  });
}

/** @throws AssertionError with all that it said, where it does not end well. */
export async function succeed(cwd: string, program: string, ...args: string[]): Promise<Ended> {
  const ended = await run(cwd, program, ...args);
  assert.equal(ended.code, 0, ended.said);
  return ended;
}
