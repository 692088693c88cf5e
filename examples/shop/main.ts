import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BrokenPromise, checksPassed, say, title } from '../telling.ts';
import { parseArguments } from './arguments.ts';
import { hireHere, hireProcess } from './employee.ts';
import { readFacts, readMeasured } from './facts.ts';
import { runShop } from './scenario.ts';
import { summarize } from './summary.ts';

/** A shop of seven services, on any broker. */
async function main(): Promise<void> {
  const { events, data, orders, wiring, json } = parseArguments(process.argv.slice(2));
  const began = performance.now();
  const run = `${Date.now().toString(36)}${process.pid.toString(36)}`;
  const isEmbedded = [events, data].some((url) => url.startsWith('memory:'));
  title(`The shop: seven services, ${isEmbedded ? 'in one process' : 'a process each'}`);
  say(`event bus: ${schemeOf(events)}`);
  say(`data bus:  ${schemeOf(data)}`);
  const folder = await mkdtemp(join(tmpdir(), 'duobus-shop-'));
  try {
    const incidents = await runShop({
      target: { events, data },
      hire: isEmbedded ? hireHere : hireProcess,
      orders,
      wiring,
      run,
      folder,
    });
    const facts = readFacts(folder);
    const measured = readMeasured(folder);
    summarize(facts, measured);
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    title(`\nAll ${checksPassed()} claims hold, after ${seconds} s.`);
    if (json !== undefined)
      await writeFile(json, `${JSON.stringify({ facts, measured, incidents }, null, 2)}\n`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** An address may hold a password. */
const schemeOf = (url: string): string => url.slice(0, url.indexOf(':'));

try {
  await main();
} catch (error) {
  const isTold = error instanceof BrokenPromise || error instanceof TypeError;
  console.error(isTold ? `\nFAILED: ${error.message}` : error);
  process.exitCode = 1;
}
