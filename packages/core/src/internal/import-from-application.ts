// oxlint-disable no-restricted-imports -- finding an installed package takes node's resolver
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/**
 * Imports a package as the application would: an application installs its adapters beside core, and under strict
 * package managers core cannot see them from where it is. `undefined` where it is not installed.
 */
export async function importFromApplication(name: string): Promise<unknown> {
  const path = resolve(name);
  return path === undefined ? undefined : import(pathToFileURL(path).href);
}

function resolve(name: string): string | undefined {
  const main = process.argv[1];
  const origins = [
    join(process.cwd(), 'package.json'),
    ...(main === undefined ? [] : [main]),
    import.meta.url,
  ];
  for (const origin of origins) {
    try {
      return createRequire(origin).resolve(name);
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  return undefined;
}
