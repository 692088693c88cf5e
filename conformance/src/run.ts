import { type Bus, BusError } from '@duobus/core';
import { OptionReader } from '@duobus/core/driver';
import type { Case } from './case.ts';
import { cases as allCases } from './cases/index.ts';
import { CaseContext } from './context.ts';
import { type Failure, failureOf, failureText, reasonOf } from './failure.ts';
import { busOptions, type Harness } from './harness.ts';
import { judge } from './judge.ts';
import type { Staleness } from './latency.ts';
import { limited } from './limited.ts';
import { Random, seedOf } from './random.ts';
import type { CaseResult, Report } from './report.ts';
import { NotAllowed } from './story.ts';
import { checkUnsupported, declares } from './unsupported.ts';

export interface RunOptions {
  /** Cases to run, by name. Default: all. */
  readonly only?: readonly string[];
  /** Repeats a run. Default: a new one each time. */
  readonly seed?: number;
  /** Cases at a time. Default 4. */
  readonly concurrency?: number;
  /** Told before every case. */
  readonly onBegin?: (name: string) => void;
  /** Told after every case. */
  readonly onResult?: (result: CaseResult) => void;
}

/** @throws TypeError for options that nothing here takes */
export function checkRunOptions(call: string, options: object, more: readonly string[]): void {
  const reader = new OptionReader(call, options, ['only', 'seed', 'concurrency', ...more]);
  const only = reader.value('only');
  if (only !== undefined && !Array.isArray(only))
    throw reader.wrong("only must be a list of the names of cases, e.g. ['fan-out']");
  reader.integer('seed', undefined, 0, Number.MAX_SAFE_INTEGER);
  reader.integer('concurrency', undefined, 1);
}

export const caseLimitMs = 120_000;

/** A run of the suite against one adapter: opened once, then any number of cases. */
export class Run {
  readonly seed: number;
  readonly #harness: Harness;
  readonly #shared: Bus;
  readonly #id: string;
  #serial = 0;

  private constructor(harness: Harness, shared: Bus, seed: number) {
    this.#harness = harness;
    this.#shared = shared;
    this.seed = seed;
    this.#id = `${Date.now().toString(36).slice(-6)}${Math.floor(Math.random() * 36 ** 3)
      .toString(36)
      .padStart(3, '0')}`;
  }

  static async open(
    harness: Harness,
    seed: number = Math.floor(Math.random() * 2 ** 32),
  ): Promise<Run> {
    return new Run(harness, await harness.connect(busOptions(harness)), seed);
  }

  get capabilities(): Report['capabilities'] {
    const { events, data } = this.#shared;
    return {
      ...(declares(this.#shared, 'event') ? { event: events.capabilities } : {}),
      ...(declares(this.#shared, 'data') ? { data: data.capabilities } : {}),
    };
  }

  async case(wanted: Case): Promise<CaseResult> {
    const began = performance.now();
    this.#serial += 1;
    const seed = seedOf(this.seed, wanted.name);
    const context = new CaseContext({
      harness: this.#harness,
      shared: this.#shared,
      run: this.#id,
      serial: this.#serial,
      random: new Random(seed),
    });
    const base = { name: wanted.name, contract: wanted.rules, seed: this.seed };
    let verdict: CaseResult['verdict'] = 'pass';
    let failed: Failure | undefined;
    try {
      const limit = caseLimitMs * context.slow;
      verdict = await limited(
        () => this.#judged(wanted, context),
        limit,
        () => new Error(`the case did not end within ${limit} ms`),
      );
    } catch (failure) {
      verdict = 'fail';
      failed = failureOf(wanted, failure, context.history, context.ordered);
    }
    const { staleness } = context;
    const ms = Math.round(performance.now() - began);
    const again = `--case ${wanted.name} --seed ${this.seed}`;
    return {
      ...base,
      verdict,
      ms,
      ...(failed === undefined
        ? {}
        : { failure: failed, error: failureText(failed, context.states, again) }),
      ...(Object.keys(staleness).length === 0 ? {} : { staleness }),
      ...(context.consumers === undefined ? {} : { consumers: context.consumers }),
    };
  }

  async close(): Promise<void> {
    await this.#shared.close();
  }

  async #judged(wanted: Case, context: CaseContext): Promise<'pass' | 'unsupported'> {
    for (const kind of wanted.needs) {
      if (declares(this.#shared, kind)) continue;
      await checkUnsupported(this.#shared, kind);
      return 'unsupported';
    }
    const missing = wanted.requires?.(this.#shared);
    if (missing !== undefined) {
      await refuses(missing.what, missing.probe(context));
      return 'unsupported';
    }
    let failed = false;
    try {
      await wanted.run(context);
    } catch (error) {
      failed = true;
      context.noteStates();
      throw error;
    } finally {
      // What went wrong first is what counts.
      await context.cleanUp().catch((error: unknown) => {
        if (!failed) throw error;
      });
    }
    const faults = judge(context.history, context.ordered);
    const [first, ...others] = faults;
    if (first !== undefined) throw new NotAllowed([first, ...others]);
    return 'pass';
  }
}

/** Runs the suite and reports; does not throw for failures of cases. */
export async function run(harness: Harness, options: RunOptions = {}): Promise<Report> {
  checkRunOptions('run', options, ['onBegin', 'onResult']);
  const { only, concurrency = 4, onBegin, onResult } = options;
  const unknown = only?.find((name) => !allCases.some((known) => known.name === name));
  if (unknown !== undefined)
    throw new TypeError(
      `there is no case '${unknown}'; the cases are ${allCases.map(({ name }) => name).join(', ')}`,
    );
  const wanted = allCases.filter(({ name }) => only === undefined || only.includes(name));
  const opened = await Run.open(harness, options.seed);
  const results = new Map<string, CaseResult>();
  const one = async (next: Case): Promise<void> => {
    onBegin?.(next.name);
    const result = await opened.case(next);
    results.set(next.name, result);
    onResult?.(result);
  };
  try {
    const together = wanted.filter(({ alone }) => alone?.(harness) !== true);
    await Promise.all(
      Array.from({ length: concurrency }, async () => {
        for (let next = together.shift(); next !== undefined; next = together.shift())
          await one(next);
      }),
    );
    for (const next of wanted) if (!results.has(next.name)) await one(next);
    const cases = wanted.map(({ name }) => results.get(name) as CaseResult);
    return {
      adapter: harness.name,
      versions: harness.versions ?? {},
      capabilities: opened.capabilities,
      seed: opened.seed,
      staleness: Object.assign({}, ...cases.map((one) => one.staleness)) as Staleness,
      cases,
    };
  } finally {
    await opened.close();
  }
}

async function refuses(what: string, probe: Promise<unknown>): Promise<void> {
  try {
    await probe;
  } catch (error) {
    if (BusError.is(error, 'DUOBUS_NOT_SUPPORTED')) return;
    throw new Error(
      `${what} is not declared: it must be refused with DUOBUS_NOT_SUPPORTED, but failed otherwise: ${reasonOf(error)}`,
      { cause: error },
    );
  }
  throw new Error(`${what} is not declared and yet was not refused with DUOBUS_NOT_SUPPORTED`);
}
