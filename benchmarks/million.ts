import { setTimeout as sleep } from 'node:timers/promises';
import type { Arguments } from './arguments.ts';
import { duobusContender } from './contenders/duobus.ts';
import { makeDocument } from './document.ts';
import { windowed } from './windowed.ts';

export interface MillionFigures {
  readonly adapter: string;
  readonly bus: string;
  readonly documents: number;
  readonly seconds: number;
  readonly lost: number;
  readonly duplicates: number;
  readonly maxRssMb: number;
  /** Sampled every second, so that growth would show. */
  readonly rssMb: readonly number[];
}

/** Documents on their way at most: enough to keep the broker busy, and it is not asked to store a million. */
const maxBacklog = 20_000;

/** Publishes and consumes at the same time until every document has come. */
export async function runMillion(
  { adapter, bus, documents, window }: Arguments,
  url: string,
): Promise<MillionFigures> {
  const contender = duobusContender({
    adapter,
    bus,
    url,
    run: `million-${Date.now().toString(36)}`,
  });
  await contender.open();
  const times = new Uint8Array(documents);
  const rssMb: number[] = [];
  let handled = 0;
  let published = 0;
  const isFarBehind = (): boolean => published - handled > maxBacklog;
  const sampler = setInterval(() => {
    rssMb.push(process.memoryUsage.rss() / 1_048_576);
    if (rssMb.length % 10 === 0)
      console.log(`${published} published, ${handled} handled, RSS ${rssMb.at(-1)?.toFixed(0)} MB`);
  }, 1_000);
  const began = performance.now();
  try {
    const stop = await contender.consume(({ n }) => {
      times[n] = Math.min(255, (times[n] ?? 0) + 1);
      handled += 1;
    });
    await windowed(documents, window, async (n) => {
      while (isFarBehind()) await sleep(5);
      await contender.publish(makeDocument(n));
      published += 1;
    });
    await untilStill(() => handled, documents);
    await stop();
  } finally {
    clearInterval(sampler);
    await contender.close();
  }
  const seconds = (performance.now() - began) / 1_000;
  const lost = times.reduce((sum, count) => sum + (count === 0 ? 1 : 0), 0);
  const duplicates = times.reduce((sum, count) => sum + Math.max(0, count - 1), 0);
  const maxRssMb = process.resourceUsage().maxRSS / 1_024;
  console.log(
    `\n${documents} documents through the ${bus} bus on ${adapter} in ${seconds.toFixed(1)} s: ${lost} lost, ${duplicates} duplicates, largest RSS ${maxRssMb.toFixed(0)} MB`,
  );
  return { adapter, bus, documents, seconds, lost, duplicates, maxRssMb, rssMb };
}

/** Until `count` has reached its goal, or nothing has moved for ten seconds: then what is missing is lost. */
async function untilStill(count: () => number, goal: number): Promise<void> {
  const patienceMs = 10_000;
  let last = count();
  let movedAt = performance.now();
  while (count() < goal && performance.now() - movedAt < patienceMs) {
    await sleep(20);
    if (count() === last) continue;
    last = count();
    movedAt = performance.now();
  }
}
