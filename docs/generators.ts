import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { documentedOptions, optionsTable } from './options-table.ts';

const repository = fileURLToPath(new URL('../', import.meta.url));

function options(file = '', name = ''): string {
  return optionsTable(documentedOptions(readFileSync(join(repository, file), 'utf8'), name));
}

/** By the first word of a marker; the other words are its arguments. */
export const generators: Readonly<Record<string, (...args: string[]) => string>> = { options };
