import type { Contender } from './contender.ts';
import { type BenchDocument, makeDocument } from './document.ts';
import { quantile } from './statistics.ts';
import { windowed } from './windowed.ts';

/** What one contender did in one round. */
export interface RoundFigures {
  readonly publishPerSecond: number;
  readonly publishCpuMsPer1000: number;
  readonly consumePerSecond: number;
  readonly consumeCpuMsPer1000: number;
  readonly singleP50Ms: number;
  readonly singleP99Ms: number;
  readonly maxRssMb: number;
}

export interface RoundSize {
  readonly documents: number;
  readonly window: number;
  readonly singles: number;
}

/** Documents before the clock runs, so that both are compiled: long runs are what counts. */
const warmUp = 5_000;

/** Publishes, then consumes what was published, in a process of its own. Every document has to come exactly once. */
export async function playRound(
  contender: Contender,
  { documents, window, singles }: RoundSize,
): Promise<RoundFigures> {
  await contender.open();
  try {
    const prepared = Array.from({ length: documents }, (_, n) => makeDocument(n));
    const publish = (n: number): Promise<unknown> =>
      contender.publish(prepared[n % documents] as BenchDocument);
    await windowed(warmUp, window, () => contender.publish(makeDocument(-1)));

    const published = await measured(() => windowed(documents, window, publish));
    const latencies: number[] = [];
    for (let n = 0; n < singles; n += 1) {
      const began = performance.now();
      await contender.publish(makeDocument(-1));
      latencies.push(performance.now() - began);
    }
    const consumed = await consumeAll(contender, documents, warmUp + singles);
    return {
      publishPerSecond: documents / published.seconds,
      publishCpuMsPer1000: published.cpuMs / (documents / 1_000),
      consumePerSecond: (documents + singles) / consumed.seconds,
      consumeCpuMsPer1000: consumed.cpuMs / ((documents + singles) / 1_000),
      singleP50Ms: quantile(latencies, 0.5),
      singleP99Ms: quantile(latencies, 0.99),
      maxRssMb: process.resourceUsage().maxRSS / 1_024,
    };
  } finally {
    await contender.close();
  }
}

interface Measured {
  readonly seconds: number;
  readonly cpuMs: number;
}

async function measured(work: () => Promise<unknown>): Promise<Measured> {
  const cpu = process.cpuUsage();
  const began = performance.now();
  await work();
  return ended(began, cpu);
}

function ended(began: number, from: NodeJS.CpuUsage): Measured {
  const cpu = process.cpuUsage(from);
  return { seconds: (performance.now() - began) / 1_000, cpuMs: (cpu.user + cpu.system) / 1_000 };
}

/** Time runs from the end of the warm-up to the last document handed over, CPU to the last one settled. */
async function consumeAll(
  contender: Contender,
  documents: number,
  others: number,
): Promise<Measured> {
  const seen = new Uint8Array(documents);
  const total = documents + others;
  let finish = (): void => undefined;
  const finished = new Promise<void>((resolve) => (finish = resolve));
  let handled = 0;
  let repeated = 0;
  let began = 0;
  let cpu = process.cpuUsage();
  const stop = await contender.consume(({ n }) => {
    handled += 1;
    if (handled === warmUp) {
      began = performance.now();
      cpu = process.cpuUsage();
    }
    if (n >= 0) {
      if (seen[n] === 1) repeated += 1;
      seen[n] = 1;
    }
    if (handled === total) finish();
  });
  await finished;
  const seconds = (performance.now() - began) / 1_000;
  await stop();
  const { cpuMs } = ended(began, cpu);
  if (repeated > 0 || handled > total)
    throw new Error(`${repeated} of ${documents} documents came twice`);
  return { seconds, cpuMs };
}
