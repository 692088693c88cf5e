#!/usr/bin/env node
import { writeFileSync } from 'node:fs';
import { cases } from '../cases/index.ts';
import { commandLine } from '../command-line.ts';
import {
  killMatrix,
  killSample,
  matrixTable,
  type Show,
  showHere,
  survivingKinds,
} from './kill.ts';
import { type Mutant, mutants } from './index.ts';
import { type MutantArguments, mutantUsage, readMutantArguments } from './arguments.ts';
import { showElsewhere } from './show-elsewhere.ts';
import { type Target, targetFor } from '../targets.ts';

function chosen({ wanted }: MutantArguments): readonly Mutant[] {
  const unknown = wanted.find(
    (text) => !mutants.some(({ name, operator }) => name === text || operator === text),
  );
  if (unknown !== undefined)
    throw new Error(`there is no mutant or operator '${unknown}': --list names them`);
  return mutants.filter(
    ({ name, operator }) =>
      wanted.length === 0 || wanted.includes(name) || wanted.includes(operator),
  );
}

/** In processes of their own where the broker can be reached from there, but for cases that do something to it. */
function showFor({ adapter, slow, seed }: MutantArguments, target: Target): Show {
  const tell = (error: string): void => console.error(error);
  const here = showHere((change) => target.changed(change), seed, tell);
  const url = target.harness.processes?.url;
  if (url === undefined) return here;
  const elsewhere = showElsewhere({ adapter: adapter ?? '', url, slow, seed }, tell);
  const hurting = new Set(cases.flatMap(({ name, alone }) => (alone === undefined ? [] : [name])));
  return (mutant, names) =>
    names.some((name) => hurting.has(name)) ? here(mutant, names) : elsewhere(mutant, names);
}

async function main(args: MutantArguments): Promise<number> {
  if (args.list) {
    for (const { name, killedBy } of mutants) console.log(`${name.padEnd(60)}  ${killedBy}`);
    return 0;
  }
  const some = chosen(args);
  const names = cases.map(({ name }) => name);
  const unknown = args.only.find((name) => !names.includes(name));
  if (unknown !== undefined) throw new Error(`there is no case '${unknown}'`);
  const columns = args.only.length > 0 ? args.only : names;
  await using target = await targetFor(args);
  let done = 0;
  const kill = args.sample ? killSample : killMatrix;
  const matrix = await kill({
    mutants: some,
    harness: target.harness,
    show: showFor(args, target),
    concurrency: args.concurrency,
    seed: args.seed,
    only: args.named ? [] : columns,
    onResult: ({ name, fate, killedBy }) => {
      done += 1;
      if (fate === 'survived') console.error(`${name} SURVIVES ${killedBy}`);
      if (done % 50 === 0)
        console.error(args.sample ? `${done} mutants` : `${done} of ${some.length} mutants`);
    },
  });
  console.log(matrixTable(matrix));
  if (args.json !== undefined)
    writeFileSync(args.json, `${JSON.stringify(matrix, undefined, 2)}\n`);
  const failed = Object.entries(matrix.honest).filter(
    ([, fate]) => fate === 'killed' || fate === 'late',
  );
  for (const [name] of failed) console.error(`${name} fails without a fault`);
  const survived = args.sample
    ? survivingKinds(matrix).length > 0
    : matrix.mutants.some(({ fate }) => fate === 'survived');
  return survived || failed.length > 0 ? 1 : 0;
}

await commandLine({ name: 'duobus-mutants', usage: mutantUsage, read: readMutantArguments, main });
// What is broken may have left something running.
process.stdout.write('', () => process.exit());
