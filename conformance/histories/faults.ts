import fc from 'fast-check';
import type { StepKind } from './step.ts';

/** The broker goes away and comes back. Only where nobody else uses it. */
export const restart: StepKind<object> = {
  weight: 1,
  plan: fc.constant({}),
  async run(world) {
    const { faults } = world.context.harness;
    if (faults?.restart === undefined) return undefined;
    world.hurt();
    await faults.restart();
    return 'the broker is restarted';
  },
};
