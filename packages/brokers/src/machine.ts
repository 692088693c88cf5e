import { dockerAnswers } from './docker.ts';
import { products } from './products.ts';
import type { Machine } from './recipe.ts';
import { type BrokerSpec, urlVariables } from './spec.ts';

export async function lookAround({ kind, product, version }: BrokerSpec): Promise<Machine> {
  const { fetching, dockerUrl, versionOnPath } = products[product];
  return {
    environmentUrl: process.env[urlVariables[kind]] || undefined,
    docker: dockerUrl !== undefined && (await dockerAnswers()),
    pathVersion: await versionOnPath(version),
    cannotFetch: process.platform === 'linux' ? fetching.blocked() : 'this is not Linux',
  };
}
