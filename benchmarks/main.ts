import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { startBroker } from '@duobus/brokers';
import { type Arguments, parseArguments } from './arguments.ts';
import { runComparison } from './compare.ts';
import { runMillion } from './million.ts';

async function main(): Promise<void> {
  const options = parseArguments(process.argv.slice(2));
  const broker = await brokerFor(options);
  try {
    const figures = options.million
      ? await runMillion(options, broker.url)
      : await runComparison(options, broker.url);
    if (options.json !== undefined) {
      mkdirSync(dirname(options.json), { recursive: true });
      writeFileSync(options.json, `${JSON.stringify(figures, undefined, 2)}\n`);
    }
    if ('lost' in figures && figures.lost > 0) process.exitCode = 1;
  } finally {
    await broker.stop();
  }
}

async function brokerFor({
  adapter,
  url,
}: Arguments): Promise<{ readonly url: string; stop(): Promise<void> }> {
  if (url !== undefined) return { url, stop: () => Promise.resolve() };
  if (adapter === 'memory') return { url: 'memory://bench', stop: () => Promise.resolve() };
  return startBroker(adapter === 'redis-streams' ? 'redis' : adapter);
}

try {
  await main();
} catch (error) {
  console.error(error instanceof TypeError ? error.message : error);
  process.exitCode = 1;
}
