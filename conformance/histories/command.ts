import { commandLine } from '../src/command-line.ts';
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

await commandLine({ name: 'histories', usage, read: readArguments, main });
