import { targetFor } from '../targets.ts';
import { mutants } from './index.ts';
import { type Killing, showHere } from './kill.ts';

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

/** What it answers. */
export interface Found {
  readonly fates: Killing['cases'];
  readonly errors: readonly string[];
}

process.once('disconnect', () => process.exit());

const { adapter, url, slow, seed, mutant, names } = JSON.parse(process.argv[2] ?? '') as Shown;
const target = await targetFor({ adapter, url, slow });
const errors: string[] = [];
const show = showHere(
  (change) => target.changed(change),
  seed,
  (error) => errors.push(error),
);
const fates = await show(
  mutants.find(({ name }) => name === mutant),
  names,
);
// What is broken may have left something running.
process.send?.({ fates, errors } satisfies Found, () => process.exit());
