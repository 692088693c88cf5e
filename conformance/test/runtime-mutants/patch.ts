import { readFileSync } from 'node:fs';
import { registerHooks, stripTypeScriptTypes } from 'node:module';
import { fileURLToPath } from 'node:url';

/*
 * Loaded before everything else of a process: one module of core is another than the one on disk. Nothing of the product
 * knows of it.
 */

const { file, find, replace } = JSON.parse(process.env['DUOBUS_RUNTIME_MUTANT'] ?? '{}') as {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
};

/** Not 1: that would look as if the mutant had been found. */
function unusable(why: string): never {
  process.stderr.write(`core/src/${file}: ${why}. Mend the table of runtime mutants\n`);
  return process.exit(3);
}

const target = new URL(`../../../packages/core/src/${file}`, import.meta.url);
const parts = readFileSync(fileURLToPath(target), 'utf8').split(find);
if (parts.length !== 2)
  unusable(`this text has to be there once, and is there ${parts.length - 1} times: ${find}`);
const source = parts.join(replace);
try {
  stripTypeScriptTypes(source);
} catch (error) {
  unusable(`what it becomes is no TypeScript (${String(error)})`);
}

let loaded = false;
registerHooks({
  load(url, context, next) {
    const module = next(url, context);
    if (url !== target.href) return module;
    loaded = true;
    return { ...module, source };
  },
});
process.on('exit', () => {
  if (!loaded) unusable('it was not loaded, so that nothing was switched off');
});
