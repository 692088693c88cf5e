import { logMutants } from './log.ts';
import type { Mutant } from './mutant.ts';
import { publishMutants } from './publish.ts';
import { queueMutants } from './queue.ts';

export type { Mutant } from './mutant.ts';

/** Broken adapters: each has to be found by the case it names, or the suite proves nothing. */
export const mutants: readonly Mutant[] = [...publishMutants, ...queueMutants, ...logMutants];
