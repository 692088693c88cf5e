import { products } from './products.ts';
import type { Recipe } from './server.ts';
import { type BrokerSpec, isOfLine, urlVariables } from './spec.ts';

/** What a machine offers for one broker. */
export interface Machine {
  readonly environmentUrl: string | undefined;
  /** An engine answers, and compose.yaml has a service for it. */
  readonly docker: boolean;
  /** Version of the server on PATH, if there is one. */
  readonly pathVersion: string | undefined;
  /** Why nothing can be fetched here; undefined: it can. */
  readonly cannotFetch: string | undefined;
}

/** First that applies: environment, docker, PATH, fetched; otherwise an error that says what to do. */
export function chooseRecipe(spec: BrokerSpec, machine: Machine): Recipe {
  if (machine.environmentUrl !== undefined) return 'environment';
  if (machine.docker) return 'docker';
  if (machine.pathVersion !== undefined && isOfLine(machine.pathVersion, spec.version))
    return 'path';
  if (machine.cannotFetch === undefined) return 'fetched';
  const { command, dockerUrl, fetching } = products[spec.product];
  const docker = '  - a docker engine (packages/brokers/compose.yaml is used)';
  throw new Error(
    [
      `no ${spec.name} here, and it cannot be fetched: ${machine.cannotFetch}. Any one of these helps:`,
      `  - ${urlVariables[spec.kind]}=<url> of one that runs`,
      ...(dockerUrl === undefined ? [] : [docker]),
      `  - ${command} ${spec.version} on PATH`,
      `  - ${fetching.needs}`,
    ].join('\n'),
  );
}
