import { mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const repository = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');

/** The folder git ignores; everything this package makes lives in it. */
export const home: string = join(repository, '.brokers');
export const composeFile: string = join(repository, 'packages/brokers/compose.yaml');

/** Things that cost minutes to make and serve every instance. */
export const cache = (thing: string): string => join(home, 'cache', thing);

/** One folder per instance: record, ports, log, data. */
export const runFolder = (name: string): string => join(home, 'run', name);

export function ensureFolder(folder: string): string {
  mkdirSync(folder, { recursive: true });
  return folder;
}
