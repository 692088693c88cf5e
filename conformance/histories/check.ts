import fc from 'fast-check';
import { playPlan, plans } from './history-run.ts';
import type { Stage } from './stage.ts';

export interface CheckOptions {
  readonly runs: number;
  /** A number, or all that a failed run has printed, which leads straight to what it was shrunk to. */
  readonly seed?: string;
  /** Histories at a time. Default: what the stage takes for sensible. */
  readonly concurrency?: number;
  /** How long a failure may be shrunk, in ms. Default 60,000. */
  readonly shrinkMs?: number;
}

export interface Checked {
  readonly runs: number;
  readonly seed: number;
  /** What went wrong, with the seed that repeats it. */
  readonly failure: string | undefined;
  /** Steps that are left of it. */
  readonly steps: number;
  /** How often every kind of step was possible. */
  readonly done: ReadonlyMap<string, number>;
}

/** How often what a seed leads to is tried: names, pauses before retries and the broker's own pace are not in it. */
const tries = 20;

/** Lets random histories happen until one is not allowed, and makes that as short as it can. */
export async function checkHistories(stage: Stage, options: CheckOptions): Promise<Checked> {
  const { seed, path } = readSeed(options.seed);
  const { runs, concurrency = stage.concurrency, shrinkMs = 60_000 } = options;
  const done = new Map<string, number>();
  const count = (step: string): void => void done.set(step, (done.get(step) ?? 0) + 1);
  if (path !== undefined) {
    const one = await checkLane(stage, { seed, path, runs: 1, shrinkMs: 0, count });
    return { ...one, seed, done };
  }
  const lanes = Math.min(concurrency, runs);
  const over = new AbortController();
  const checked = await Promise.all(
    Array.from({ length: lanes }, async (_, lane) => {
      const mine = Math.floor((runs + lane) / lanes);
      const one = await checkLane(
        stage,
        { seed: seed + lane, runs: mine, shrinkMs, count },
        over.signal,
      );
      // One failure is enough.
      if (one.failure !== undefined) over.abort();
      return one;
    }),
  );
  const failed = checked.find(({ failure }) => failure !== undefined);
  const all = checked.reduce((sum, one) => sum + one.runs, 0);
  return { failure: undefined, steps: 0, ...failed, seed, runs: all, done };
}

interface Lane {
  readonly seed: number;
  readonly path?: string;
  readonly runs: number;
  readonly shrinkMs: number;
  readonly count: (step: string) => void;
}

type LaneChecked = Pick<Checked, 'runs' | 'failure' | 'steps'>;

async function checkLane(
  stage: Stage,
  { seed, path, runs, shrinkMs, count }: Lane,
  over?: AbortSignal,
): Promise<LaneChecked> {
  let failedAt: number | undefined;
  let played = 0;
  const property = fc.asyncProperty(plans, async (plan) => {
    // What is not tried any more counts as passed.
    if (over?.aborted === true && failedAt === undefined) return;
    if (failedAt !== undefined && performance.now() > failedAt + shrinkMs) return;
    if (failedAt === undefined) played += 1;
    try {
      for (let left = path === undefined ? 1 : tries; left > 0; left -= 1)
        await playPlan(stage, plan, failedAt === undefined ? count : undefined);
    } catch (error) {
      failedAt ??= performance.now();
      throw error;
    }
  });
  const details = await fc.check(property, {
    seed,
    numRuns: runs,
    ...(path === undefined ? {} : { path, endOnFailure: true }),
  });
  if (!details.failed) return { runs: played, failure: undefined, steps: 0 };
  const { counterexamplePath, errorInstance, numShrinks, counterexample } = details;
  const message = errorInstance instanceof Error ? errorInstance.message : String(errorInstance);
  const again = `--adapter ${stage.name} --seed ${seed}:${counterexamplePath}`;
  return {
    runs: played,
    failure: `run ${details.numRuns}, made shorter ${numShrinks} times: ${message}\nRun it again: npm run histories -- ${again}`,
    steps: counterexample?.[0].steps.length ?? 0,
  };
}

function readSeed(text: string | undefined): { readonly seed: number; readonly path?: string } {
  if (text === undefined) return { seed: Math.floor(Math.random() * 2 ** 31) };
  const [, seed, path] = /^(-?\d+)(?::([\d:]+))?$/.exec(text) ?? [];
  if (seed === undefined)
    throw new TypeError(`--seed must be a number, or what a failed run has printed, got '${text}'`);
  return { seed: Number(seed), ...(path === undefined ? {} : { path }) };
}
