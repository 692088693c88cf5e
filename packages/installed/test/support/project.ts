import assert from 'node:assert/strict';
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root } from './packages.ts';
import { type Ended, run, runWith, succeed } from './run.ts';

const programs = fileURLToPath(new URL('../../programs/', import.meta.url));
const tsc = join(root, 'node_modules/typescript/bin/tsc');

/** What the README asks of whoever uses TypeScript, as it says it there. */
function settings(): object {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const [, asked] = /at least\s+`("types": .+?)`/.exec(readme) ?? [];
  assert.ok(asked, 'README.md does not say: at least `"types": ..., "lib": ...`');
  return JSON.parse(`{${asked}}`) as object;
}

/** Somebody's project, with nothing of the workspace around it. */
export class Project {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
    this.write('package.json', JSON.stringify({ private: true, type: 'module' }));
  }

  async install(tarballs: readonly string[]): Promise<void> {
    const flags = ['--prefer-offline', '--no-audit', '--no-fund', '--no-progress'];
    const { said } = await succeed(this.folder, 'npm', 'install', ...flags, ...tarballs);
    // of a peer that does not fit npm may only warn
    assert.doesNotMatch(said, /ERESOLVE|EBADENGINE|peer/, said);
  }

  /** Paths of packages below node_modules, those in one another too. */
  installed(): readonly string[] {
    const lock = JSON.parse(this.read('node_modules/.package-lock.json')) as {
      readonly packages: object;
    };
    return Object.keys(lock.packages).map((path) => path.replace('node_modules/', ''));
  }

  /** Bytes of all files. */
  size(): number {
    return this.files('node_modules/**').reduce(
      (sum, file) => sum + statSync(join(this.folder, file)).size,
      0,
    );
  }

  files(pattern: string): readonly string[] {
    return globSync(pattern, { cwd: this.folder, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(this.folder.length + 1));
  }

  read(file: string): string {
    return readFileSync(join(this.folder, file), 'utf8');
  }

  write(file: string, text: string): void {
    writeFileSync(join(this.folder, file), text);
  }

  program(name: string): string {
    return readFileSync(join(programs, name), 'utf8');
  }

  copy(name: string): void {
    cpSync(join(programs, name), join(this.folder, name));
  }

  /** The same project, with more in the environment of what it runs. */
  with(more: Readonly<Record<string, string>>): Pick<Project, 'node'> {
    return { node: (...args) => runWith(more, this.folder, process.execPath, ...args) };
  }

  node(...args: readonly string[]): Promise<Ended> {
    return run(this.folder, process.execPath, ...args);
  }

  /** What `npm install --save-dev @types/node` would add. */
  addTypesOfNode(): void {
    const types = join(this.folder, 'node_modules/@types/node');
    if (existsSync(types)) return;
    mkdirSync(dirname(types), { recursive: true });
    symlinkSync(join(root, 'node_modules/@types/node'), types);
  }

  /** Compiles with what the README asks for and no more, as strictly as there is. */
  async tsc(options: object, files: readonly string[]): Promise<Ended> {
    const compilerOptions = {
      ...settings(),
      strict: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: false,
      rootDir: '.',
      ...options,
    };
    this.write('tsconfig.json', JSON.stringify({ compilerOptions, files }));
    return run(this.folder, process.execPath, tsc, '-p', 'tsconfig.json', '--pretty', 'false');
  }
}
