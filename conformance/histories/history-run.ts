import fc from 'fast-check';
import { CaseContext } from '../src/context.ts';
import { independent } from '../src/completeness.ts';
import { always, judge, thorough } from '../src/judge.ts';
import { Fault } from '../src/fault.ts';
import { Random } from '../src/random.ts';
import { shows, told } from '../src/story.ts';
import { playOut } from './play-out.ts';
import type { Stage } from './stage.ts';
import type { Step } from './step.ts';
import { steps } from './steps.ts';
import { keyOf, type TopicPlan, World } from './world.ts';

/** One history before it happens. */
export interface Plan {
  readonly topics: readonly TopicPlan[];
  readonly steps: readonly Step[];
  /** Which subscription a second run leaves out, to see that the others do not notice. */
  readonly without: number | undefined;
}

const topicPlans: fc.Arbitrary<TopicPlan> = fc.record({
  kind: fc.constantFrom('event', 'data'),
  order: fc.constantFrom('none', 'key'),
  partitions: fc.constantFrom(1, 2),
});

export const plans: fc.Arbitrary<Plan> = fc.record({
  topics: fc.array(topicPlans, { minLength: 1, maxLength: 3, size: 'max' }),
  // Not biased: the short ones are found by shrinking.
  steps: fc.noBias(fc.array(steps, { minLength: 1, maxLength: 30, size: 'max' })),
  without: fc.option(fc.nat({ max: 5 }), { nil: undefined, freq: 2 }),
});

/** Lets a plan happen and judges it. `done` is told the name of every step that was possible.
 *  @throws Error that tells what happened and what is wrong with it */
export async function playPlan(
  stage: Stage,
  plan: Plan,
  done: (step: string) => void = () => undefined,
): Promise<void> {
  const first = await played(stage, plan, undefined, done);
  const names = [...first.named.values()].map((named) => first.label(named));
  const other = names[(plan.without ?? 0) % names.length];
  if (plan.without === undefined || other === undefined || names.length < 2) return;
  const second = await played(stage, plan, other, done);
  const faults = independentOf(first, second, other);
  if (faults.length > 0) throw new Error(describe(second, faults));
}

function independentOf(first: World, second: World, other: string): Fault[] {
  const called = ({ topics }: World): string[] => topics.map(({ kind, name }) => `${kind}:${name}`);
  const before = called(first);
  const now = called(second);
  const left = [...first.named.values()].find((named) => first.label(named) === other);
  const faults = independent(
    first.context.history,
    second.context.history,
    left === undefined ? other : keyOf(left),
    (topic) => before[now.indexOf(topic)] ?? topic,
  );
  return faults.map((fault) => new Fault(`independent: ${fault}`, []));
}

async function played(
  stage: Stage,
  plan: Plan,
  without: string | undefined,
  done: (step: string) => void,
): Promise<World> {
  return stage.set(async (setting) => {
    const context = new CaseContext({ ...setting, random: new Random(0) });
    const world = new World(context, plan.topics, without);
    const faults: Fault[] = [];
    try {
      await happen(world, plan, done);
    } catch (error) {
      faults.push(new Fault(reasonOf(error), []));
    }
    faults.push(...judge(context.history, context.ordered, { ...always, ...thorough }));
    if (faults.length > 0) throw new Error(describe(world, faults));
    return world;
  });
}

async function happen(world: World, plan: Plan, done: (step: string) => void): Promise<void> {
  const { context } = world;
  let failed = true;
  try {
    for (const step of plan.steps) {
      world.told.push(`${step.toString()} ...`);
      const told = await step.run(world);
      world.told.pop();
      if (told === undefined) continue;
      world.told.push(told);
      done(step.name);
    }
    world.told.push('everything is handled to its end');
    await playOut(world);
    failed = false;
  } finally {
    if (failed) context.noteStates();
    // What went wrong first is what counts.
    await context.cleanUp().catch((error: unknown) => {
      if (!failed) throw error;
    });
  }
}

/** Steps that were not possible are not in it. */
function describe(
  { told: happened, context: { states, history } }: World,
  faults: readonly Fault[],
): string {
  const lines = happened.map((line, index) => `${index + 1}. ${line}`);
  const ops = faults.find((fault) => fault.ops.length > 0)?.ops;
  const about = told(ops === undefined ? history.ops.slice(-60) : shows(history, ops));
  return [
    `the history is not allowed:\n- ${faults.slice(0, 10).join('\n- ')}`,
    `What was done:\n${lines.join('\n')}`,
    `${states}What happened:\n${about.join('\n')}`,
  ].join('\n');
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
