import { busOptions } from '../src/harness.ts';
import { targetFor } from '../src/targets.ts';
import { runName, type Stage } from './stage.ts';

/** One broker for all histories: each has topics of its own there. */
export async function brokerStage(
  args: Parameters<typeof targetFor>[0] & { readonly adapter: string },
): Promise<Stage> {
  const target = await targetFor(args);
  const letGo = (): PromiseLike<void> => target[Symbol.asyncDispose]();
  const shared = await target.harness
    .connect(busOptions(target.harness))
    .catch(async (error: unknown) => {
      await letGo();
      throw error;
    });
  // Histories that share a broker would be hurt by the faults of others.
  const { faults: _, ...harness } = target.harness;
  const run = runName();
  let serial = 0;
  return {
    name: args.adapter,
    // They wait for the broker more than they work.
    concurrency: 4,
    set(play) {
      serial += 1;
      return play({ harness, shared, run, serial });
    },
    async [Symbol.asyncDispose]() {
      try {
        await shared.close();
      } finally {
        await letGo();
      }
    },
  };
}
