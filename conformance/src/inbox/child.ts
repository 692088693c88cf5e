import { once } from 'node:events';
import type { InboxHarness, InboxModule } from './harness.ts';
import type { Job, Report } from './protocol.ts';
import { settle } from './settle.ts';

/** Resolves when the parent has it: an effect must not be done before it is told. */
function tell(report: Report): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send?.(report, undefined, undefined, (error: Error | null) =>
      error === null ? resolve() : reject(error),
    );
  });
}

async function work(
  harness: InboxHarness,
  { keys, concurrency, limitMs, waits = false }: Job & { readonly do: 'work' },
): Promise<void> {
  const { store, close } = await harness.open();
  const left = [...keys];
  if (waits) {
    const told = once(process, 'message');
    await tell({ what: 'ready' });
    await told;
  }
  const worker = async (): Promise<void> => {
    for (let key = left.shift(); key !== undefined; key = left.shift()) {
      const of = key;
      const effect = (tx: unknown): void | Promise<void> =>
        harness.effects === undefined
          ? tell({ what: 'effect', key: of })
          : harness.effects.write(tx, of);
      await settle(store, of, effect, limitMs);
      await tell({ what: 'settled', key: of });
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  await close();
}

async function hold(
  harness: InboxHarness,
  { key, limitMs }: Job & { readonly do: 'hold' },
): Promise<void> {
  const { store } = await harness.open();
  await settle(
    store,
    key,
    async (tx) => {
      await harness.effects?.write(tx, key);
      await tell({ what: 'holding' });
      await new Promise(() => undefined);
    },
    limitMs,
  );
}

process.once('message', (message) => {
  const job = message as Job;
  const run = async (): Promise<void> => {
    const { inboxHarness } = (await import(job.processes.module)) as InboxModule;
    const harness = await inboxHarness(job.processes.options);
    await (job.do === 'work' ? work(harness, job) : hold(harness, job));
    await tell({ what: 'over' });
    process.disconnect();
  };
  run().catch(async (error: unknown) => {
    await tell({ what: 'failed', message: String((error as Error | null)?.stack ?? error) });
    process.exit(1);
  });
});
// without its parent it must not go on
process.on('disconnect', () => process.exit());
