import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { measure, type ScaleFigures } from './measure.ts';
import { parseScaleOptions } from './scale-options.ts';

const rows: readonly (readonly [label: string, key: keyof ScaleFigures, digits: number])[] = [
  ['connections', 'connections', 0],
  ['channels', 'channels', 0],
  ['to start, s', 'startSeconds', 2],
  ['to start, CPU s', 'startCpuSeconds', 2],
  ['to start, CPU s of the broker', 'startBrokerCpuSeconds', 2],
  ['idle, CPU %', 'idlePercent', 1],
  ['idle, CPU % of the broker', 'idleBrokerPercent', 1],
  ['RSS, MB', 'rssMb', 0],
  ['RSS of the broker, MB', 'brokerRssMb', 0],
  ['deliveries', 'deliveries', 0],
  ['to deliver, s', 'handleSeconds', 2],
  ['to deliver, CPU s', 'handleCpuSeconds', 2],
  ['to deliver, CPU s of the broker', 'handleBrokerCpuSeconds', 2],
  ['to close, s', 'closeSeconds', 2],
];

try {
  const options = parseScaleOptions(process.argv.slice(2));
  const figures: ScaleFigures[] = [];
  for (const count of options.counts) figures.push(await measure(options, count));
  console.log(`\n${options.adapter}, ${options.shape}`);
  const cell = (value: number | undefined, digits: number): string =>
    (value === undefined ? '-' : value.toFixed(digits)).padStart(12);
  console.log(''.padEnd(34) + options.counts.map((count) => cell(count, 0)).join(''));
  for (const [label, key, digits] of rows)
    console.log(label.padEnd(34) + figures.map((each) => cell(each[key], digits)).join(''));
  if (options.json !== undefined) {
    mkdirSync(dirname(options.json), { recursive: true });
    writeFileSync(options.json, `${JSON.stringify({ ...options, figures }, undefined, 2)}\n`);
  }
} catch (error) {
  console.error(error instanceof TypeError ? error.message : error);
  process.exitCode = 1;
}
