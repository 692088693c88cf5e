import type fc from 'fast-check';
import type { World } from './world.ts';

/** One kind of thing that may happen. `run` tells what it did, or nothing where it was not possible. */
export interface StepKind<Plan> {
  /** How often it is chosen, compared with the others. */
  readonly weight: number;
  readonly plan: fc.Arbitrary<Plan>;
  run(world: World, plan: Plan): Promise<string | undefined>;
}

/** A step whose plan is known to nobody but itself. */
export interface Step {
  readonly name: string;
  run(world: World): Promise<string | undefined>;
  toString(): string;
}

/** Steps of a kind, to be generated. */
export function stepsOf<Plan>(name: string, kind: StepKind<Plan>): fc.Arbitrary<Step> {
  return kind.plan.map((plan) => ({
    name,
    run: (world) => kind.run(world, plan),
    toString: () => `${name} ${JSON.stringify(plan)}`,
  }));
}
