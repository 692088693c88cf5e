import { dockerAnswers } from './docker.ts';
import { kafkaOnPath } from './kafka-libraries.ts';
import { rabbitmqOnPath } from './rabbitmq.ts';
import type { Machine } from './recipe.ts';
import { onPath } from './shell.ts';
import { type BrokerSpec, urlVariables } from './spec.ts';

function cannotFetch({ kind }: BrokerSpec): string | undefined {
  const root = process.getuid?.() === 0;
  if (process.platform !== 'linux') return 'this is not Linux';
  if (kind === 'kafka') {
    const tools = onPath('java') !== undefined && onPath('mvn') !== undefined;
    return tools || (root && onPath('apt-get') !== undefined)
      ? undefined
      : 'java or mvn is missing';
  }
  if (!root) return 'that takes root (chroot)';
  return onPath('apt-get') === undefined ? 'this is not a Debian' : undefined;
}

export async function lookAround(spec: BrokerSpec): Promise<Machine> {
  const onThisPath = spec.kind === 'kafka' ? kafkaOnPath() : await rabbitmqOnPath();
  return {
    environmentUrl: process.env[urlVariables[spec.kind]] || undefined,
    docker: await dockerAnswers(),
    pathVersion: onThisPath?.version,
    cannotFetch: cannotFetch(spec),
  };
}
