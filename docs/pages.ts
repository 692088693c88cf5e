import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { type Sources, regions } from './markdown.ts';
import { generators } from './generators.ts';

export const root: string = fileURLToPath(new URL('../', import.meta.url));

/** Every page a user may read, from the root of the repository. */
export function pageNames(): readonly string[] {
  const patterns = [
    'README.md',
    'docs/**/*.md',
    'packages/*/README.md',
    'adapters/*/README.md',
    'conformance/README.md',
  ];
  return globSync(patterns, { cwd: root })
    .filter((name) => !name.includes('node_modules'))
    .toSorted();
}

export function readPage(name: string): string {
  return readFileSync(join(root, name), 'utf8');
}

export function snippetNames(): readonly string[] {
  return globSync('*.ts', { cwd: join(root, 'docs/snippets') }).toSorted();
}

/** Where pages take their code and tables from. */
export const sources: Sources = {
  snippet(name) {
    const [file = '', region = ''] = name.split('#');
    const code = regions(readFileSync(join(root, 'docs/snippets', `${file}.ts`), 'utf8')).get(
      region,
    );
    if (code === undefined) throw new Error(`docs/snippets/${file}.ts has no region ${region}`);
    return code;
  },
  generated(name) {
    const [kind = '', ...rest] = name.split(' ');
    const generate = generators[kind];
    if (generate === undefined) throw new Error(`nothing generates '${kind}'`);
    return generate(...rest);
  },
};
