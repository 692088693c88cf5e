import { logMutants } from './logs.ts';
import type { Mutant } from './mutant.ts';
import { pointerMutants } from './pointers.ts';
import { queueMutants } from './queues.ts';
import { settlementMutants } from './settlements.ts';
import { streamMutants } from './streams.ts';
import { topologyMutants } from './topology.ts';

export type { Mutant } from './mutant.ts';

/** Broken adapters: each has to be found by the case it names, or the suite proves nothing. */
export const mutants: readonly Mutant[] = [
  ...streamMutants,
  ...settlementMutants,
  ...queueMutants,
  ...pointerMutants,
  ...logMutants,
  ...topologyMutants,
];
