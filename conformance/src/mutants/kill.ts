import { cases } from '../cases/index.ts';
import type { Harness } from '../harness.ts';
import type { CaseResult } from '../report.ts';
import { run } from '../run.ts';
import type { Defect, Mutant } from './mutant.ts';

/** `late`: found by waiting in vain. `unsupported`: the adapter does not declare what the case is about. */
export type Fate = 'killed' | 'late' | 'survived' | 'unsupported';

export interface Killing extends Pick<Mutant, 'name' | 'operator' | 'point' | 'killedBy'> {
  /** What the case that has to find it came to. */
  readonly fate: Fate;
  /** By case: every one it was shown to. */
  readonly cases: Readonly<Record<string, Fate>>;
}

export interface KillMatrix {
  readonly adapter: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly seed: number;
  /** What the same cases come to without a fault. */
  readonly honest: Readonly<Record<string, Fate>>;
  readonly mutants: readonly Killing[];
}

/** What cases come to with a broken adapter, or with a whole one. */
export type Show = (
  mutant: Mutant | undefined,
  names: readonly string[],
) => Promise<Killing['cases']>;

export interface KillOptions {
  readonly mutants: readonly Mutant[];
  /** Of the adapter when it is whole. */
  readonly harness: Harness;
  readonly show: Show;
  /** Cases that every mutant is shown, besides the one it names. Default: none. */
  readonly only?: readonly string[];
  /** Mutants at a time. */
  readonly concurrency: number;
  readonly seed: number;
  readonly onResult?: (killing: Killing) => void;
}

/** Most of what goes wrong is waited for: together that takes no longer than one by one. */
export const casesAtOnce = (mutant: Mutant | undefined): number => (mutant === undefined ? 6 : 24);

/** Shows them in this process. `tell` hears why a case fails with the whole adapter. */
export function showHere(
  changed: (change: ReturnType<Defect>) => Harness,
  seed: number,
  tell?: (error: string) => void,
): Show {
  return async (mutant, names) => {
    const harness = changed(mutant === undefined ? (adapter) => adapter : mutant.begin());
    const report = await run(harness, { only: names, seed, concurrency: casesAtOnce(mutant) });
    if (mutant === undefined) for (const { error } of report.cases) if (error) tell?.(error);
    return Object.fromEntries(report.cases.map((result) => [result.name, fateOf(result)]));
  };
}

const onMemory = ({ name }: Harness): boolean => name === 'memory';

/** Shows cases to broken adapters, and to the whole one before. */
export async function killMatrix(options: KillOptions): Promise<KillMatrix> {
  const honest = await honestFates(
    options,
    options.mutants.map(({ killedBy }) => killedBy),
  );
  return matrixOf(options, honest, await killAll(options));
}

async function honestFates(
  { harness, show, only = [] }: KillOptions,
  named: readonly string[],
): Promise<Killing['cases']> {
  const gentle = [...new Set([...only, ...named])].filter(
    (name) => onMemory(harness) || !cases.some((one) => one.name === name && one.alone),
  );
  return gentle.length === 0 ? {} : show(undefined, gentle);
}

async function killAll(options: KillOptions): Promise<readonly Killing[]> {
  const { mutants, harness, show, only = [], concurrency, onResult } = options;
  const found = new Map<string, Killing>();
  const one = async (mutant: Mutant): Promise<void> => {
    const { name, operator, point, killedBy } = mutant;
    const fates = await show(mutant, [...new Set([killedBy, ...only])]);
    const fate = fates[killedBy] as Fate;
    found.set(name, { name, operator, point, killedBy, fate, cases: fates });
    onResult?.(found.get(name) as Killing);
  };
  // What hurts the broker must find nothing else running, unless every mutant has a broker of its own.
  const hurts = ({ killedBy }: Mutant): boolean =>
    !onMemory(harness) &&
    cases.some(
      ({ name, alone }) => (name === killedBy || only.includes(name)) && alone?.(harness) === true,
    );
  const together = mutants.filter((mutant) => !hurts(mutant));
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      for (let next = together.shift(); next !== undefined; next = together.shift())
        await one(next);
    }),
  );
  for (const mutant of mutants) if (!found.has(mutant.name)) await one(mutant);
  return mutants.map(({ name }) => found.get(name) as Killing);
}

function matrixOf(
  { harness, seed }: KillOptions,
  honest: Killing['cases'],
  mutants: readonly Killing[],
): KillMatrix {
  return { adapter: harness.name, versions: harness.versions ?? {}, seed, honest, mutants };
}

function fateOf({ verdict, error = '' }: CaseResult): Fate {
  if (verdict === 'pass') return 'survived';
  if (verdict === 'unsupported') return 'unsupported';
  return /^waited |did not (?:end|resolve) within/.test(error.split('\n')[0] ?? '')
    ? 'late'
    : 'killed';
}

/** What is shown to a live broker: one mutant of every operator, and the same cases to the whole adapter before. */
export async function killSample(options: KillOptions): Promise<KillMatrix> {
  const honest = await honestFates(options, casesOfSample(options.mutants));
  return matrixOf(options, honest, await killKinds(options));
}

/**
 * One mutant of every operator, each at another point, and where an adapter has no use for that point, so that it survives,
 * the next. By cases that leave the broker alone and in which nobody dies: a broken adapter is in the process of the case,
 * and a death of it would be none.
 */
export async function killKinds(options: KillOptions): Promise<readonly Killing[]> {
  const shown: Killing[] = [];
  let open = kindsOf(options.mutants);
  for (let turn = 0; open.length > 0; turn += 1) {
    const mutants = open.flatMap((kind) => kind[turn] ?? []);
    if (mutants.length === 0) break;
    shown.push(...(await killAll({ ...options, mutants })));
    const survivors = survivingKinds({ mutants: shown });
    open = open.filter(([first]) => survivors.includes(first?.operator ?? ''));
  }
  return shown;
}

/** The cases that find one mutant of every kind. */
export function casesOfSample(mutants: readonly Mutant[]): readonly string[] {
  return [...new Set(kindsOf(mutants).flatMap(([first]) => first?.killedBy ?? []))];
}

/** Operators of which every mutant that was shown survives. */
export function survivingKinds({ mutants }: Pick<KillMatrix, 'mutants'>): readonly string[] {
  const operators = [...new Set(mutants.map(({ operator }) => operator))];
  return operators.filter((operator) =>
    mutants.every((mutant) => mutant.operator !== operator || mutant.fate === 'survived'),
  );
}

/** By operator, each list beginning at another point. */
export function kindsOf(mutants: readonly Mutant[]): readonly (readonly Mutant[])[] {
  const gentle = mutants.filter(({ killedBy }) => {
    const found = cases.find(({ name }) => name === killedBy);
    return found?.alone === undefined && found?.dies !== true;
  });
  return [...new Set(gentle.map(({ operator }) => operator))].map((operator, at) => {
    const its = gentle.filter((mutant) => mutant.operator === operator);
    const first = at % its.length;
    return [...its.slice(first), ...its.slice(0, first)];
  });
}

const marks: Readonly<Record<Fate, string>> = {
  killed: 'x',
  late: 'w',
  survived: '.',
  unsupported: '-',
};

/** A line per mutant and a column per case. */
export function matrixTable({ adapter, mutants, honest, seed }: KillMatrix): string {
  const columns = cases
    .map(({ name }) => name)
    .filter((name) => mutants.some((mutant) => mutant.cases[name] !== undefined));
  const width = Math.max(10, ...mutants.map(({ name }) => name.length));
  const digits = [10, 1].map((unit) =>
    columns
      .map((_, at) => (unit === 10 && at < 9 ? ' ' : Math.floor((at + 1) / unit) % 10))
      .join(''),
  );
  const row = (fates: Killing['cases']): string =>
    columns
      .map((column) => {
        const found = fates[column];
        return found === undefined ? ' ' : marks[found];
      })
      .join('');
  const lines = mutants.map(({ name, cases: fates, killedBy, fate }) => {
    const survived = fate === 'survived' ? `  SURVIVES ${killedBy}` : '';
    return `${name.padEnd(width)}  ${row(fates)}  ${columns.indexOf(killedBy) + 1}${survived}`;
  });
  const count = (fate: Fate): number => mutants.filter((mutant) => mutant.fate === fate).length;
  return [
    ...digits.map((line) => `${''.padEnd(width)}  ${line}`),
    `${'(no fault)'.padEnd(width)}  ${row(honest)}`,
    ...lines,
    '',
    ...columns.map((name, at) => `${String(at + 1).padStart(3)}  ${name}`),
    '',
    'x killed   w killed by waiting in vain   . survived   - not supported by the adapter   at the end: the case that has to',
    `${adapter}: ${mutants.length} mutants, ${count('killed') + count('late')} killed by the case named for them, ${count('survived')} survive, ${count('unsupported')} not supported (seed ${seed})`,
  ].join('\n');
}
