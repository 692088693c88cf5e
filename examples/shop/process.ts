// A service's process: told what to do, and ended, by the one that has forked it.
import type { Order, Report } from './employee.ts';
import { Worker } from './worker.ts';

const tellEveryMs = 100;
let starting: Promise<Worker> | undefined;
let telling: NodeJS.Timeout | undefined;
let ending: Promise<void> | undefined;

function tell(report: Report): void {
  if (process.connected) process.send?.(report);
}

async function attempt(call: number, run: () => Promise<unknown>): Promise<void> {
  try {
    await run();
    tell({ call });
  } catch (error) {
    tell({ call, failed: String(error) });
  }
}

async function end(): Promise<void> {
  clearInterval(telling);
  const worker = await starting;
  if (worker !== undefined) tell({ done: await worker.stop() });
  if (process.connected) process.disconnect();
}

process.on('message', (order: Order) => {
  if ('stop' in order) void (ending ??= end());
  else
    void attempt(order.call, async () => {
      if ('command' in order) return (await starting)?.carryOut(order.command);
      starting = Worker.start(order.start);
      const worker = await starting;
      let told = 0;
      telling = setInterval(() => {
        const { done } = worker;
        if (done !== told) tell({ done });
        told = done;
      }, tellEveryMs);
    });
});
// who has forked it is gone
process.once('disconnect', () => void (ending ??= end()));
