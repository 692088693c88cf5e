import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { RuntimeMutant } from './rules.ts';

const path = (relative: string): string =>
  fileURLToPath(new URL(`../../../${relative}`, import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly out: string;
}

/** Runs what has to find it in a process whose core is another. 1: found; 0: not found; else it could not be shown. */
export async function shownTo(mutant: RuntimeMutant, cache: string): Promise<Ended> {
  const { file, find, replace, killedBy } = mutant;
  const [testFile = '', test] = killedBy.split(': ');
  const what =
    test === undefined
      ? [path('conformance/test/runtime-mutants/show.ts'), killedBy, '0.2']
      : [`--test-name-pattern=${test}`, path(testFile)];
  const child = spawn(
    process.execPath,
    [
      '--conditions=duobus:source',
      '--disable-warning=ExperimentalWarning',
      `--import=${new URL('patch.ts', import.meta.url).href}`,
      ...what,
    ],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 40_000,
      env: {
        ...process.env,
        NODE_TEST_CONTEXT: undefined,
        NODE_COMPILE_CACHE: cache,
        DUOBUS_RUNTIME_MUTANT: JSON.stringify({ file, find, replace }),
      },
    },
  );
  let out = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (out += text));
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { code, out };
}
