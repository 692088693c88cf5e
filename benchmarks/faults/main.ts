import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { brokerKill } from './broker-kill.ts';
import { consumerKills } from './consumer-kills.ts';
import { crashDocument } from './crash-document.ts';
import { type FaultName, type FaultOptions, parseFaultOptions } from './fault-options.ts';
import { type FaultReport, holds, render } from './fault-report.ts';
import { leaderKill } from './leader-kill.ts';
import { rebalanceStorm } from './rebalance-storm.ts';
import type { Sighting } from './sighting.ts';

type Run = (
  options: FaultOptions,
) => Promise<{ readonly report: FaultReport; readonly sightings: readonly Sighting[] }>;

const runs: Readonly<Record<FaultName, Run>> = {
  'broker-kill': brokerKill,
  'consumer-kills': consumerKills,
  'crash-document': crashDocument,
  'leader-kill': leaderKill,
  'rebalance-storm': rebalanceStorm,
};

try {
  const options = parseFaultOptions(process.argv.slice(2));
  console.log(`${options.name}: seed ${options.seed}`);
  const { report, sightings } = await runs[options.name](options);
  console.log(render(report));
  write(options.json, `${JSON.stringify({ bus: options.bus, ...report }, undefined, 2)}\n`);
  write(options.events, sightings.map((sight) => `${JSON.stringify(sight)}\n`).join(''));
  if (!holds(report)) process.exitCode = 1;
} catch (error) {
  console.error(error instanceof TypeError ? error.message : error);
  process.exitCode = 1;
}

function write(file: string | undefined, content: string): void {
  if (file === undefined) return;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
}
