import { globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { succeed } from './run.ts';

/** The workspace. */
export const root: string = fileURLToPath(new URL('../../../../', import.meta.url));

type Ranges = Readonly<Record<string, string>>;

export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly private?: boolean;
  readonly exports?: Readonly<Record<string, unknown>>;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies?: Ranges;
  readonly peerDependencies?: Ranges;
  readonly devDependencies?: Ranges;
}

export interface Publishable extends Manifest {
  /** From the root of the workspace. */
  readonly folder: string;
}

export interface Packed {
  readonly tarball: string;
  /** Paths inside of the package. */
  readonly files: readonly string[];
}

export function manifestIn(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
}

const { workspaces } = manifestIn(root) as Manifest & { readonly workspaces: readonly string[] };
const manifests: readonly Publishable[] = globSync(
  workspaces.map((pattern) => `${pattern}/package.json`),
  { cwd: root },
)
  .toSorted()
  .map((file) => ({ ...manifestIn(join(root, dirname(file))), folder: dirname(file) }));

export const publishable: readonly Publishable[] = manifests.filter(
  (manifest) => manifest.private !== true,
);

/** What is for those who work on the packages, and nothing that one of them needs: nobody who uses one may get it. */
export const testTools: readonly string[] = [
  ...new Set(
    [manifestIn(root), ...manifests].flatMap(({ devDependencies }) =>
      Object.keys(devDependencies ?? {}),
    ),
  ),
].filter(
  (name) =>
    !name.startsWith('@duobus/') &&
    publishable.every(({ dependencies = {} }) => dependencies[name] === undefined),
);

export function publishableNamed(name: string): Publishable {
  const found = publishable.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no package of the workspace is ${name}`);
  return found;
}

/** Those of ours that npm installs along with it: it finds them in no registry before they are published. */
export function withOurs(name: string): readonly string[] {
  const { dependencies, peerDependencies } = publishableNamed(name);
  const ours = Object.keys({ ...dependencies, ...peerDependencies }).filter((other) =>
    other.startsWith('@duobus/'),
  );
  return [...new Set([name, ...ours.flatMap(withOurs)])].toSorted();
}

/** What may be imported of it. */
export function entriesOf(name: string): readonly string[] {
  return Object.keys(publishableNamed(name).exports ?? {})
    .filter((path) => !path.endsWith('.json'))
    .map((path) => `${name}${path.slice(1)}`);
}

/** Builds what has changed and packs all that can be published, as `npm publish` would. */
export async function packAll(folder: string): Promise<ReadonlyMap<string, Packed>> {
  await succeed(root, 'npm', 'run', '--silent', 'build');
  const chosen = publishable.map(({ name }) => `--workspace=${name}`);
  const { stdout } = await succeed(
    root,
    'npm',
    'pack',
    '--json',
    '--silent',
    `--pack-destination=${folder}`,
    ...chosen,
  );
  const packed = Object.values(JSON.parse(stdout) as object) as readonly {
    readonly name: string;
    readonly filename: string;
    readonly files: readonly { readonly path: string }[];
  }[];
  return new Map(
    packed.map(({ name, filename, files }) => [
      name,
      { tarball: join(folder, filename), files: files.map(({ path }) => path) },
    ]),
  );
}
