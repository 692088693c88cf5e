import type { Ended } from './run.ts';

export interface Counts {
  readonly passed: number;
  readonly failed: number;
}

/** The file they run: a name that all of them take for a test. */
export const judgedTest = 'judged.test.mjs';

/** A test runner, and how it is asked to run that file. */
export interface Runner {
  /** What `it` is imported from. */
  readonly name: string;
  /** What npm installs; nothing for what Node brings along. */
  readonly packages: readonly string[];
  readonly args: readonly string[];
  counts(ended: Ended): Counts;
}

const number = (text: string, pattern: RegExp): number => Number(pattern.exec(text)?.[1] ?? -1);

export const runners: readonly Runner[] = [
  {
    name: 'node:test',
    packages: [],
    args: ['--test', '--test-reporter=tap', judgedTest],
    counts: ({ stdout }) => ({
      passed: number(stdout, /^# pass (\d+)$/m),
      failed: number(stdout, /^# fail (\d+)$/m),
    }),
  },
  {
    name: 'vitest',
    packages: ['vitest@5.1.1'],
    args: ['node_modules/vitest/vitest.mjs', 'run', '--reporter=tap-flat', judgedTest],
    counts: ({ stdout }) => ({
      passed: stdout.match(/^ok /gm)?.length ?? 0,
      failed: stdout.match(/^not ok /gm)?.length ?? 0,
    }),
  },
  {
    name: 'mocha',
    packages: ['mocha@12.0.3'],
    args: ['node_modules/mocha/bin/mocha.js', '--reporter=json', judgedTest],
    counts({ stdout }) {
      const { stats } = JSON.parse(stdout) as {
        readonly stats: { readonly passes: number; readonly failures: number };
      };
      return { passed: stats.passes, failed: stats.failures };
    },
  },
];
