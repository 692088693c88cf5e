import { targetFor } from '../targets.ts';
import { mutants } from './index.ts';
import { showHere } from './kill.ts';

/** What a process of `showElsewhere` is told, as JSON in its first argument. */
export interface Shown {
  readonly adapter: string;
  readonly url: string;
  readonly slow: number;
  readonly seed: number;
  /** None: the adapter is whole. */
  readonly mutant: string | undefined;
  readonly names: readonly string[];
}

process.once('disconnect', () => process.exit());

const { adapter, url, slow, seed, mutant, names } = JSON.parse(process.argv[2] ?? '') as Shown;
const target = await targetFor({ adapter, url, slow });
const show = showHere((change) => target.changed(change), seed);
const fates = await show(
  mutants.find(({ name }) => name === mutant),
  names,
);
// What is broken may have left something running.
process.send?.(fates, () => process.exit());
