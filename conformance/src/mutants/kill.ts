import { cases } from '../cases/index.ts';
import type { Harness } from '../harness.ts';
import type { CaseResult } from '../report.ts';
import { run } from '../run.ts';
import type { Mutant } from './mutant.ts';

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
  readonly mutants: readonly Killing[];
}

export interface KillOptions {
  readonly mutants: readonly Mutant[];
  /** A harness whose adapters are changed. */
  readonly changed: (change: ReturnType<Mutant['begin']>) => Harness;
  /** Cases that every mutant is shown, besides the one it names. Default: none. */
  readonly only?: readonly string[];
  /** Mutants at a time. */
  readonly concurrency: number;
  readonly seed: number;
  readonly onResult?: (killing: Killing) => void;
}

/** Shows cases to broken adapters. */
export async function killMatrix(options: KillOptions): Promise<KillMatrix> {
  const { mutants, changed, only = [], concurrency, seed, onResult } = options;
  const honest = changed((adapter) => adapter);
  const found = new Map<string, Killing>();
  const one = async (mutant: Mutant): Promise<void> => {
    const { name, operator, point, killedBy, begin } = mutant;
    const report = await run(changed(begin()), { only: [...new Set([killedBy, ...only])], seed });
    const fates = Object.fromEntries(report.cases.map((result) => [result.name, fateOf(result)]));
    const fate = fates[killedBy] as Fate;
    found.set(name, { name, operator, point, killedBy, fate, cases: fates });
    onResult?.(found.get(name) as Killing);
  };
  // What hurts the broker must find nothing else running, unless every mutant has a broker of its own.
  const hurts = ({ killedBy }: Mutant): boolean =>
    honest.name !== 'memory' &&
    cases.some(
      ({ name, alone }) => (name === killedBy || only.includes(name)) && alone?.(honest) === true,
    );
  const together = mutants.filter((mutant) => !hurts(mutant));
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      for (let next = together.shift(); next !== undefined; next = together.shift())
        await one(next);
    }),
  );
  for (const mutant of mutants) if (!found.has(mutant.name)) await one(mutant);
  return {
    adapter: honest.name,
    versions: honest.versions ?? {},
    seed,
    mutants: mutants.map(({ name }) => found.get(name) as Killing),
  };
}

function fateOf({ verdict, error = '' }: CaseResult): Fate {
  if (verdict === 'pass') return 'survived';
  if (verdict === 'unsupported') return 'unsupported';
  return /^waited |did not (?:end|resolve) within/.test(error.split('\n')[0] ?? '')
    ? 'late'
    : 'killed';
}

/**
 * One mutant of every operator, each at another point: what is shown to a live broker. By cases that leave the broker
 * alone and in which nobody dies: a broken adapter is in this process, and a death of it would be none.
 */
export function sampleOf(mutants: readonly Mutant[]): readonly Mutant[] {
  const gentle = mutants.filter(({ killedBy }) => {
    const found = cases.find(({ name }) => name === killedBy);
    return found?.alone === undefined && found?.dies !== true;
  });
  return [...new Set(gentle.map(({ operator }) => operator))].map((operator, at) => {
    const its = gentle.filter((mutant) => mutant.operator === operator);
    return its[at % its.length] as Mutant;
  });
}

const marks: Readonly<Record<Fate, string>> = {
  killed: 'x',
  late: 'w',
  survived: '.',
  unsupported: '-',
};

/** A line per mutant and a column per case. */
export function matrixTable({ adapter, mutants, seed }: KillMatrix): string {
  const columns = cases
    .map(({ name }) => name)
    .filter((name) => mutants.some((mutant) => mutant.cases[name] !== undefined));
  const width = Math.max(6, ...mutants.map(({ name }) => name.length));
  const digits = [10, 1].map((unit) =>
    columns
      .map((_, at) => (unit === 10 && at < 9 ? ' ' : Math.floor((at + 1) / unit) % 10))
      .join(''),
  );
  const lines = mutants.map(({ name, cases: fates, killedBy, fate }) => {
    const row = columns.map((column) => {
      const found = fates[column];
      return found === undefined ? ' ' : marks[found];
    });
    const survived = fate === 'survived' ? `  SURVIVES ${killedBy}` : '';
    return `${name.padEnd(width)}  ${row.join('')}  ${columns.indexOf(killedBy) + 1}${survived}`;
  });
  const count = (fate: Fate): number => mutants.filter((mutant) => mutant.fate === fate).length;
  return [
    ...digits.map((line) => `${''.padEnd(width)}  ${line}`),
    ...lines,
    '',
    ...columns.map((name, at) => `${String(at + 1).padStart(3)}  ${name}`),
    '',
    'x killed   w killed by waiting in vain   . survived   - not supported by the adapter   at the end: the case that has to',
    `${adapter}: ${mutants.length} mutants, ${count('killed') + count('late')} killed by the case named for them, ${count('survived')} survive, ${count('unsupported')} not supported (seed ${seed})`,
  ].join('\n');
}
