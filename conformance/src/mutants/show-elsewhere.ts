import { once } from 'node:events';
import { forkBeside } from '../fork-beside.ts';
import { caseLimitMs } from '../run.ts';
import { casesAtOnce, type Show } from './kill.ts';
import type { Found, Shown } from './show-child.ts';

/** Where the processes find the broker. */
export type Elsewhere = Omit<Shown, 'mutant' | 'names'>;

/**
 * Shows them in a process for each mutant: one that goes round and round for ever keeps none of the others from their work,
 * and is ended. `tell` hears why a case fails with the whole adapter.
 */
export function showElsewhere(elsewhere: Elsewhere, tell?: (error: string) => void): Show {
  return async (mutant, names) => {
    const what = mutant?.name ?? 'the whole adapter';
    const told: Shown = { ...elsewhere, mutant: mutant?.name, names };
    const child = forkBeside(import.meta.url, 'show-child', [JSON.stringify(told)]);
    let found: Found | undefined;
    child.once('message', (message) => (found = message as Found));
    let late = false;
    const rounds = Math.ceil(names.length / casesAtOnce(mutant));
    const limitMs = (rounds * caseLimitMs + 30_000) * elsewhere.slow;
    const limit = setTimeout(() => {
      late = true;
      child.kill('SIGKILL');
    }, limitMs);
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
    clearTimeout(limit);
    if (found !== undefined) {
      for (const error of found.errors) tell?.(error);
      return found.fates;
    }
    if (late) return Object.fromEntries(names.map((name) => [name, 'late']));
    throw new Error(`the process that showed ${what} ended with ${code ?? signal}`);
  };
}
