import { brokerStage } from './broker-stage.ts';
import { checkHistories } from './check.ts';
import { type Arguments, readArguments, usage } from './histories-arguments.ts';
import { memoryStage } from './memory-stage.ts';

async function main(args: Arguments): Promise<number> {
  await using stage = await (args.adapter === 'memory' ? memoryStage() : brokerStage(args));
  const since = performance.now();
  const { runs, seed, failure, done } = await checkHistories(stage, {
    runs: args.runs,
    ...(args.seed === undefined ? {} : { seed: args.seed }),
    ...(args.concurrency === undefined ? {} : { concurrency: args.concurrency }),
  });
  const seconds = ((performance.now() - since) / 1_000).toFixed(0);
  if (failure !== undefined) console.error(`FAIL ${failure}\n`);
  console.log([...done].map(([step, times]) => `${step} ${times}`).join(', '));
  console.log(
    `${stage.name}: ${runs} histories, seed ${seed}, ${seconds} s: ${failure === undefined ? 'all allowed' : 'one is not allowed'}`,
  );
  return failure === undefined ? 0 : 1;
}

function said(error: unknown): string {
  return `histories: ${error instanceof Error ? error.message : String(error)}`;
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
  else if (args !== undefined) process.exitCode = await main(args);
} catch (error) {
  console.error(said(error));
  process.exitCode = 2;
}
