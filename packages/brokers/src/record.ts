import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Endpoints } from './options.ts';
import { ensureFolder, home, runFolder } from './paths.ts';
import type { ProcessId } from './processes.ts';
import type { Recipe } from './server.ts';
import type { BrokerKind } from './spec.ts';

/** What is known of a running instance, in its folder, for whoever stops it. */
export interface InstanceRecord {
  readonly name: string;
  readonly kind: BrokerKind;
  readonly version: string;
  readonly recipe: Recipe;
  readonly endpoints: Endpoints;
  /** Empty under docker. The first is the broker. */
  readonly processes: readonly ProcessId[];
  /** Set on private instances: they end with this process. */
  readonly owner?: ProcessId;
}

export function writeRecord(record: InstanceRecord): void {
  const file = join(ensureFolder(runFolder(record.name)), 'instance.json');
  writeFileSync(`${file}.new`, `${JSON.stringify(record, undefined, 2)}\n`);
  renameSync(`${file}.new`, file);
}

export function readRecord(name: string): InstanceRecord | undefined {
  try {
    return JSON.parse(
      readFileSync(join(runFolder(name), 'instance.json'), 'utf8'),
    ) as InstanceRecord;
  } catch {
    return undefined;
  }
}

export function allRecords(): readonly InstanceRecord[] {
  return readdirSync(ensureFolder(join(home, 'run')))
    .toSorted()
    .map(readRecord)
    .filter((record) => record !== undefined);
}
