import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, extname, isAbsolute, join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** Packages and files are found as the application would find them: from the folder the command runs in. */
function resolved(name: string): string {
  return createRequire(join(process.cwd(), 'package.json')).resolve(name);
}

const isFile = (adapter: string): boolean => adapter.startsWith('.') || isAbsolute(adapter);

/** @throws Error that says what to do where there is nothing of that name. */
export async function imported<T>(name: string): Promise<T> {
  let path: string;
  try {
    path = resolved(name);
  } catch (cause) {
    if ((cause as { code?: unknown }).code !== 'MODULE_NOT_FOUND') throw cause;
    const hint = isFile(name)
      ? `there is no file ${name} in ${process.cwd()}`
      : `${name} is not installed: npm install ${name}, or give the path of a file, as in ./${name}.js`;
    throw new Error(hint, { cause });
  }
  return (await import(pathToFileURL(path).href)) as T;
}

/** What an adapter is called in the report: of a file its name, or that of its folder. */
export function shortName(adapter: string): string {
  if (!isFile(adapter)) return adapter;
  const name = basename(adapter, extname(adapter));
  return name === 'index' ? basename(dirname(join(process.cwd(), adapter))) : name;
}

/** Of Node, of core, and of the adapter where it is a package that tells. */
export function versionsOf(adapter: string | undefined): Record<string, string> {
  const versions: Record<string, string> = { node: process.versions.node };
  const packages = adapter === undefined || isFile(adapter) ? [] : [adapter];
  for (const name of ['@duobus/core', ...packages]) {
    const version = versionOf(name);
    if (version !== undefined) versions[name] = version;
  }
  return versions;
}

function versionOf(name: string): string | undefined {
  let path: string;
  try {
    path = resolved(`${name}/package.json`);
  } catch {
    return undefined; // many packages do not export it
  }
  return String((JSON.parse(readFileSync(path, 'utf8')) as { version?: unknown }).version);
}
