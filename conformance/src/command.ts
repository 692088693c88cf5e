#!/usr/bin/env node
import { writeFileSync } from 'node:fs';
import { type Arguments, readArguments, usage } from './arguments.ts';
import { cases } from './cases/index.ts';
import { table } from './report.ts';
import { run } from './run.ts';
import { targetFor } from './targets.ts';

async function main(args: Arguments): Promise<number> {
  await using target = await targetFor(args);
  const report = await run(target.harness, {
    concurrency: args.concurrency,
    ...(args.only === undefined ? {} : { only: args.only }),
    ...(args.seed === undefined ? {} : { seed: args.seed }),
    onResult: ({ verdict, name, error }) => {
      if (verdict === 'fail') console.error(`FAIL ${name}: ${error}\n`);
    },
  });
  console.log(table(report));
  if (args.report !== undefined)
    writeFileSync(args.report, `${JSON.stringify(report, undefined, 2)}\n`);
  return report.cases.some(({ verdict }) => verdict === 'fail') ? 1 : 0;
}

function said(error: unknown): string {
  return `duobus-conformance: ${error instanceof Error ? error.message : String(error)}`;
}

let args: Arguments | undefined;
try {
  args = readArguments(process.argv.slice(2));
} catch (error) {
  console.error(`${said(error)}\n\n${usage}`);
  process.exitCode = 2;
}
try {
  if (args?.help === true) console.log(usage);
  else if (args?.list === true)
    for (const { name, rules } of cases) console.log(`${rules.join(' ').padEnd(11)}  ${name}`);
  else if (args !== undefined) process.exitCode = await main(args);
} catch (error) {
  console.error(said(error));
  process.exitCode = 2;
}
