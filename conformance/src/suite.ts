import { cases } from './cases/index.ts';
import type { Harness } from './harness.ts';
import { Run, type RunOptions } from './run.ts';

/** Any runner's way to say "here is a test": `test` or `it` of node:test, vitest, jest, mocha. */
export type TestFunction = (name: string, run: () => Promise<void>) => unknown;

export interface SuiteOptions extends Pick<RunOptions, 'only' | 'seed'> {
  readonly test: TestFunction;
  readonly adapter: Harness;
}

/**
 * The conformance suite as tests of the caller's runner: one test per case, in order, and one at the end that lets go
 * of the broker.
 * @example suite({ test, adapter: { name: 'nats', ...overUrl('nats://127.0.0.1:4222', { adapter: 'duobus-nats' }) } })
 */
export function suite({ test, adapter, only, seed }: SuiteOptions): void {
  let opened: Promise<Run> | undefined;
  const open = (): Promise<Run> => (opened ??= Run.open(adapter, seed));
  const wanted = cases.filter(({ name }) => only === undefined || only.includes(name));
  if (wanted.length === 0) throw new TypeError(`no case is called ${only?.join(' or ')}`);
  for (const next of wanted) {
    test(`${next.name} [${next.rules.join(' ')}]`, async () => {
      const result = await (await open()).case(next);
      if (result.verdict === 'fail') throw new Error(result.error);
    });
  }
  test('lets go of the broker', async () => {
    await (await open()).close();
  });
}
