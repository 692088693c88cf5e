import type { StartOptions } from './options.ts';
import { runFolder } from './paths.ts';
import { allocatePorts } from './ports.ts';
import type { LocalRecipe, Site } from './server.ts';
import type { BrokerSpec } from './spec.ts';

export const siteOf = (
  spec: BrokerSpec,
  recipe: LocalRecipe,
  name: string,
  options: StartOptions,
): Site => ({
  spec,
  recipe,
  options,
  folder: runFolder(name),
  allocate: (names) => allocatePorts(name, names),
});
