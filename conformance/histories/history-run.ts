import fc from 'fast-check';
import { CaseContext } from '../src/context.ts';
import { independent } from '../src/completeness.ts';
import type { History } from '../src/history.ts';
import { always, judge, thorough } from '../src/judge.ts';
import { Random } from '../src/random.ts';
import { playOut } from './play-out.ts';
import type { Setting, Stage } from './stage.ts';
import type { Step } from './step.ts';
import { steps } from './steps.ts';
import { type TopicPlan, World } from './world.ts';

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
  without: fc.option(fc.nat({ max: 5 }), { nil: undefined, freq: 1 }),
});

interface Played {
  readonly history: History;
  readonly names: readonly string[];
  readonly topics: readonly string[];
}

/** Lets a plan happen and judges it. `done` is told the name of every step that was possible.
 *  @throws Error that tells what happened and what is wrong with it */
export async function playPlan(
  stage: Stage,
  plan: Plan,
  done: (step: string) => void = () => undefined,
): Promise<void> {
  const first = await played(stage, plan, undefined, done);
  const other = first.names[(plan.without ?? 0) % first.names.length];
  if (plan.without === undefined || other === undefined || first.names.length < 2) return;
  const second = await played(stage, plan, other, done);
  const alias = (topic: string): string => first.topics[second.topics.indexOf(topic)] ?? topic;
  const faults = independent(first.history, second.history, other, alias);
  if (faults.length > 0) throw new Error(`independent: ${faults.join('\n- ')}`);
}

async function played(
  stage: Stage,
  plan: Plan,
  without: string | undefined,
  done: (step: string) => void,
): Promise<Played> {
  return stage.set(async (setting) => {
    const context = new CaseContext({ ...setting, random: new Random(0) });
    const world = new World(context, plan.topics, without);
    try {
      await happen(world, plan, done);
    } catch (error) {
      throw new Error(`${reasonOf(error)}\n${tellOf(world)}${context.history.tail(25)}`, {
        cause: error,
      });
    }
    const faults = judge(context.history, context.ordered, { ...always, ...thorough });
    const [fault] = faults;
    if (fault !== undefined) {
      const list = faults.slice(0, 10).join('\n- ');
      const about = context.history.about(fault) || context.history.tail(25);
      throw new Error(`the history is not allowed:\n- ${list}\n${tellOf(world)}${about}`);
    }
    return {
      history: context.history,
      names: [...world.named.values()].map((named) => world.label(named)),
      topics: world.topics.map(({ kind, name }) => `${kind}:${name}`),
    };
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
function tellOf({ told, context: { states } }: World): string {
  const lines = told.map((line, index) => `${index + 1}. ${line}`);
  return `What was done:\n${lines.join('\n')}\n${states}What happened:\n`;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
