import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './packages.ts';
import type { Project } from './project.ts';

/** The adapter of the tutorial, as somebody else would have it: compiled, in a folder of the project. */
export async function compileSqlite(project: Project, folder: string): Promise<void> {
  cpSync(join(root, 'docs/snippets/sqlite'), join(project.folder, 'sqlite'), { recursive: true });
  project.addTypesOfNode();
  const files = ['index', 'queue-driver', 'queue-member', 'store'];
  const options = { lib: ['es2023'], rewriteRelativeImportExtensions: true };
  const { code, said } = await project.tsc(
    { module: 'nodenext', rootDir: 'sqlite', outDir: folder, ...options },
    files.map((file) => `sqlite/${file}.ts`),
  );
  assert.equal(code, 0, said);
}
