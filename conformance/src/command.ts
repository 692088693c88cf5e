#!/usr/bin/env node
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { inspect } from 'node:util';
import { type Arguments, readArguments, usage } from './arguments.ts';
import { cases } from './cases/index.ts';
import { commandLine } from './command-line.ts';
import { junit } from './junit.ts';
import { markdown } from './markdown.ts';
import { Progress } from './progress.ts';
import { type Report, table } from './report.ts';
import { run } from './run.ts';
import { targetFor } from './targets.ts';

async function main(args: Arguments): Promise<number> {
  if (args.list) {
    for (const { name, rules } of cases) console.log(`${rules.join(' ').padEnd(11)}  ${name}`);
    return 0;
  }
  const files = [
    [args.report, (report: Report) => `${JSON.stringify(report, undefined, 2)}\n`],
    [args.junit, junit],
    [args.markdown, markdown],
  ] as const;
  // Minutes later it would be too late to hear of it.
  for (const [file] of files) if (file !== undefined) mkdirSync(dirname(file), { recursive: true });
  await using target = await targetFor(args);
  let strays = 0;
  process.on('unhandledRejection', (reason) => {
    strays += 1;
    console.error(`A promise was rejected and nobody looked at it: ${inspect(reason)}\n`);
  });
  const progress = new Progress(process.stderr, args.only?.length ?? cases.length);
  const report = await run(target.harness, {
    concurrency: args.concurrency,
    ...(args.only === undefined ? {} : { only: args.only }),
    ...(args.seed === undefined ? {} : { seed: args.seed }),
    onBegin: (name) => progress.begun(name),
    onResult: (result) => progress.ended(result),
  });
  progress.over();
  console.log(table(report));
  for (const [file, format] of files) if (file !== undefined) writeFileSync(file, format(report));
  return strays > 0 || report.cases.some(({ verdict }) => verdict === 'fail') ? 1 : 0;
}

await commandLine({ name: 'duobus-conformance', usage, read: readArguments, main });
