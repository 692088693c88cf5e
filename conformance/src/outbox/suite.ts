import { OptionReader } from '@duobus/core/driver';
import { addTest, type TestFunction } from '../test-function.ts';
import { leaseCases } from './lease-cases.ts';
import type { OutboxCase } from './outbox-case.ts';
import { rowCases } from './row-cases.ts';
import { setAsideCases } from './set-aside-cases.ts';
import type { OutboxHarness } from './stage.ts';

export const outboxCases: readonly OutboxCase[] = [...rowCases, ...leaseCases, ...setAsideCases];

/** What a case waits for has a limit of its own. */
const limitMs = 60_000;

export interface OutboxSuiteOptions<Tx> {
  /** Your runner's way to say "here is a test". */
  readonly test: TestFunction;
  /** The store, and what else the suite has to know of it. */
  readonly outbox: OutboxHarness<Tx>;
}

/**
 * The suite of outbox stores as tests of the caller's runner, one for each case.
 * @example outboxSuite({ test, outbox: { name: 'mysql', open: () => freshStage() } })
 */
export function outboxSuite<Tx>(options: OutboxSuiteOptions<Tx>): void {
  const read = new OptionReader('outboxSuite', options, ['test', 'outbox']);
  const { test, outbox } = options;
  if (typeof test !== 'function')
    throw read.wrong("test must be your runner's function for one test, e.g. it");
  if (typeof (outbox as Partial<OutboxHarness<Tx>> | undefined)?.open !== 'function')
    throw read.wrong('outbox must be a harness with a name and open()');
  for (const one of outboxCases)
    addTest(test, one.name, () => runOutboxCase(one, outbox), limitMs * (outbox.slow ?? 1));
}

/** Runs one case; rejects with what it expected and did not get. */
export async function runOutboxCase<Tx>(
  { migrated, run }: OutboxCase,
  outbox: OutboxHarness<Tx>,
): Promise<void> {
  // a case hands on what `begin` gives, whatever it is
  const harness = outbox as unknown as OutboxHarness<never>;
  const stage = await harness.open();
  try {
    if (migrated !== false) await stage.store.migrate();
    await run(stage, harness);
  } finally {
    await stage.close();
  }
}
