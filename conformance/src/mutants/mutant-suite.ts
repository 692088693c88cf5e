import type { Adapter } from '@duobus/core';
import type { Harness } from '../harness.ts';
import { caseLimitMs, run } from '../run.ts';
import { changed } from '../severable.ts';
import { addTest, type TestFunction } from '../test-function.ts';
import { casesOfSample, killKinds, showHere, survivingKinds } from './kill.ts';
import { mutants } from './index.ts';

export interface MutantSuiteOptions {
  /** Your runner's way to say "here is a test". */
  readonly test: TestFunction;
  /** As for the suite. */
  readonly adapter: Harness;
  /** Makes an adapter of your own for the same broker: it is what is broken. */
  readonly makeAdapter: () => Adapter | Promise<Adapter>;
  /** Mutants at a time. Default 16. */
  readonly concurrency?: number;
}

/**
 * Two tests of the caller's runner: the suite finds your adapter broken in one way of every kind, and the same cases
 * pass when it is not.
 * @example mutantSuite({ test, adapter: { name: 'nats', ...overUrl(url) }, makeAdapter: () => nats({ url }) })
 */
export function mutantSuite(options: MutantSuiteOptions): void {
  const { test, adapter, makeAdapter, concurrency = 16 } = options;
  const only = casesOfSample(mutants);
  // Hardly any takes its whole time, and few have to be tried at a second point.
  const rounds = 1 + Math.ceil(mutants.length / concurrency);
  const limitMs = rounds * caseLimitMs * (adapter.slow ?? 1);
  // What a mutant keeps from happening is waited for.
  const harness = { ...adapter, slow: (adapter.slow ?? 1) / 2 };
  addTest(
    test,
    'the cases that find broken adapters pass when it is whole',
    async () => {
      const report = await run(
        changed(harness, makeAdapter, (same) => same),
        { only, concurrency },
      );
      const failed = report.cases.filter(({ verdict }) => verdict === 'fail');
      if (failed.length > 0) throw new Error(failed.map(({ error }) => error).join('\n'));
    },
    limitMs,
  );
  addTest(
    test,
    'a mutant of every kind is killed by the case it names',
    async () => {
      const seed = 1;
      const show = showHere((change) => changed(harness, makeAdapter, change), seed);
      const shown = await killKinds({ mutants, harness, show, concurrency, seed });
      const survivors = survivingKinds({ mutants: shown });
      const tried = shown.filter(({ operator }) => survivors.includes(operator));
      if (tried.length > 0)
        throw new Error(
          tried.map(({ name, killedBy }) => `${name} survives ${killedBy}`).join('\n'),
        );
    },
    limitMs,
  );
}
