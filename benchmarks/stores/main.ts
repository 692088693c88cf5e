import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { connect, topic } from '@duobus/core';
import { type Contender, openStage } from './contenders.ts';

/** What one way costs. */
export interface StoreFigure {
  readonly effect: string;
  readonly store: string;
  readonly microsecondsPerDocument: number;
}

const numbers = topic<number>('numbers');

/** From the first publish until all are settled. */
async function measure({ handler }: Contender, documents: number): Promise<number> {
  await using bus = await connect('memory:', { source: '/benchmarks' });
  let left = documents;
  let end = (): void => undefined;
  const over = new Promise<void>((resolve) => (end = resolve));
  await bus.events.subscribe(
    numbers,
    'figures',
    async (n, delivery) => {
      await handler(n, delivery);
      left -= 1;
      if (left === 0) end();
    },
    { concurrency: 8 },
  );
  const all = Array.from({ length: documents }, (_, n) => ({ document: n }));
  const began = performance.now();
  await bus.events.publishMany(numbers, all);
  await over;
  return ((performance.now() - began) * 1000) / documents;
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

const { values } = parseArgs({
  options: {
    documents: { type: 'string', default: '3000' },
    rounds: { type: 'string', default: '5' },
    json: { type: 'string' },
  },
});
const [documents, rounds] = [Number(values.documents), Number(values.rounds)];
await using stage = await openStage();
const found = stage.contenders.map((contender) => ({ contender, times: [] as number[] }));
// round by round, so that what else the machine does falls on all of them
for (let round = 0; round < rounds; round += 1)
  for (const { contender, times } of found) times.push(await measure(contender, documents));
const figures: readonly StoreFigure[] = found.map(({ contender: { effect, store }, times }) => ({
  effect,
  store,
  microsecondsPerDocument: Math.round(median(times)),
}));
console.table(figures);
if (values.json !== undefined) {
  mkdirSync(dirname(values.json), { recursive: true });
  const report = { documents, rounds, concurrency: 8, figures };
  writeFileSync(values.json, `${JSON.stringify(report, undefined, 2)}\n`);
}
