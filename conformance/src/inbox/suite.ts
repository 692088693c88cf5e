import { OptionReader } from '@duobus/core/driver';
import { addTest, type TestFunction } from '../test-function.ts';
import { applies, type InboxCase } from './case.ts';
import { inboxCases } from './cases/index.ts';
import { InboxContext } from './context.ts';
import type { InboxHarness } from './harness.ts';

/** What a case waits for has a limit of its own. */
const limitMs = 60_000;

export interface InboxSuiteOptions {
  /** Your runner's way to say "here is a test". */
  readonly test: TestFunction;
  /** The store, and what else the suite has to know of it. */
  readonly store: InboxHarness;
  /** Names of cases. Default: all that the harness has the means for. */
  readonly only?: readonly string[];
}

/**
 * What every idempotence store has to hold, as tests of the caller's runner, one for each case.
 * @example inboxSuite({ test, store: { name: 'mine', open: async () => ({ store: myStore(), close: async () => undefined }) } })
 */
export function inboxSuite(options: InboxSuiteOptions): void {
  const read = new OptionReader('inboxSuite', options, ['test', 'store', 'only']);
  const { test, store, only } = options;
  if (typeof test !== 'function')
    throw read.wrong("test must be your runner's function for one test, e.g. it");
  if (typeof (store as Partial<InboxHarness> | undefined)?.open !== 'function')
    throw read.wrong('store must be a harness with a name and open()');
  for (const next of casesFor(store, only))
    addTest(test, next.name, () => runInboxCase(next, store), limitMs * (store.slow ?? 1));
}

/** Runs one case. Rejects with a sentence that says what was expected. */
export async function runInboxCase(next: InboxCase, harness: InboxHarness): Promise<void> {
  const context = new InboxContext(harness);
  try {
    await next.run(context);
  } finally {
    await context.close();
  }
}

/** @throws TypeError for a name that no case has, or one that the harness lacks the means for */
export function casesFor(
  harness: InboxHarness,
  only: readonly string[] = inboxCases
    .filter((next) => applies(next, harness))
    .map(({ name }) => name),
): readonly InboxCase[] {
  return only.map((name) => {
    const found = inboxCases.find((next) => next.name === name);
    if (found === undefined) throw new TypeError(`inboxSuite: there is no case '${name}'`);
    if (!applies(found, harness))
      throw new TypeError(`inboxSuite: '${name}' needs ${found.needs.join(' and ')}`);
    return found;
  });
}
