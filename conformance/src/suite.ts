import type { Case } from './case.ts';
import { cases } from './cases/index.ts';
import type { Harness } from './harness.ts';
import type { CaseResult } from './report.ts';
import { caseLimitMs, checkRunOptions, Run, type RunOptions } from './run.ts';
import { addTest, type TestFunction } from './test-function.ts';

export interface SuiteOptions
  extends Pick<RunOptions, 'only' | 'seed' | 'concurrency' | 'onResult'> {
  /** Your runner's way to say "here is a test". */
  readonly test: TestFunction;
  /** The adapter, and what else the suite has to know of it. */
  readonly adapter: Harness;
}

/**
 * The conformance suite as tests of the caller's runner, one test per case. While the runner waits for one, the next
 * are already under way.
 * @example suite({ test, adapter: { name: 'nats', ...overUrl('nats://127.0.0.1:4222', { adapter: 'duobus-nats' }) } })
 */
export function suite(options: SuiteOptions): void {
  checkRunOptions('suite', options, ['test', 'adapter', 'onResult']);
  const { test, adapter, only, seed, concurrency = 4, onResult } = options;
  const unknown = only?.find((name) => !cases.some((known) => known.name === name));
  if (unknown !== undefined) throw new TypeError(`there is no case '${unknown}'`);
  const wanted = cases.filter(({ name }) => only === undefined || only.includes(name));
  const together = wanted.filter(({ alone }) => alone?.(adapter) !== true);
  const ordered = [...together, ...wanted.filter((next) => !together.includes(next))];
  // Its own limit ends a case; one that has to be alone waits for others first.
  const limitMs = 2 * caseLimitMs * (adapter.slow ?? 1) + 10_000;
  const ahead = new Ahead(adapter, seed, together, concurrency);
  for (const next of ordered) {
    const body = async (): Promise<void> => {
      const result = await ahead.result(next);
      onResult?.(result);
      if (result.verdict === 'fail') throw new Error(result.error);
    };
    addTest(test, `${next.name} [${next.rules.join(' ')}]`, body, limitMs);
  }
}

/** Runs cases ahead of the tests that ask for them, and lets go of the broker when nothing is asked for. */
class Ahead {
  readonly #harness: Harness;
  readonly #seed: number | undefined;
  readonly #together: readonly Case[];
  readonly #concurrency: number;
  readonly #results = new Map<string, Promise<CaseResult>>();
  #open: Promise<Run> | undefined;
  #running = 0;
  #closing: Promise<void> = Promise.resolve();
  #idle: NodeJS.Timeout | undefined;

  constructor(
    harness: Harness,
    seed: number | undefined,
    together: readonly Case[],
    concurrency: number,
  ) {
    this.#harness = harness;
    this.#seed = seed;
    this.#together = together;
    this.#concurrency = concurrency;
  }

  async result(wanted: Case): Promise<CaseResult> {
    const place = this.#together.indexOf(wanted);
    // What hurts the broker must find nothing else running.
    if (place < 0) await Promise.allSettled(this.#results.values());
    else
      for (const next of this.#together.slice(place, place + this.#concurrency))
        this.#start(next).catch(() => undefined);
    return this.#start(wanted);
  }

  #start(next: Case): Promise<CaseResult> {
    const started = this.#results.get(next.name) ?? this.#run(next);
    this.#results.set(next.name, started);
    return started;
  }

  async #run(next: Case): Promise<CaseResult> {
    this.#running += 1;
    clearTimeout(this.#idle);
    try {
      await this.#closing;
      this.#open ??= Run.open(this.#harness, this.#seed);
      return await (await this.#open).case(next);
    } finally {
      this.#running -= 1;
      if (this.#running === 0) this.#idle = setTimeout(() => this.#close(), 250);
    }
  }

  /** A test that was left out would otherwise keep the connection, and with it the process. */
  #close(): void {
    const open = this.#open;
    this.#open = undefined;
    this.#closing = (async () => (await open)?.close())();
  }
}
