import type { Recipe } from './server.ts';
import { type BrokerSpec, urlVariables } from './spec.ts';

/** What a machine offers for one broker. */
export interface Machine {
  readonly environmentUrl: string | undefined;
  readonly docker: boolean;
  /** Version of the server on PATH, if there is one. */
  readonly pathVersion: string | undefined;
  /** Why nothing can be fetched here; undefined: it can. */
  readonly cannotFetch: string | undefined;
}

export const isOfLine = (version: string, line: string): boolean =>
  `${version}.`.startsWith(`${line}.`);

/** First that applies: environment, docker, PATH, fetched; otherwise an error that says what to do. */
export function chooseRecipe(spec: BrokerSpec, machine: Machine): Recipe {
  if (machine.environmentUrl !== undefined) return 'environment';
  if (machine.docker) return 'docker';
  if (machine.pathVersion !== undefined && isOfLine(machine.pathVersion, spec.version))
    return 'path';
  if (machine.cannotFetch === undefined) return 'fetched';
  throw new Error(
    [
      `no ${spec.name} here, and it cannot be fetched: ${machine.cannotFetch}. Any one of these helps:`,
      `  - ${urlVariables[spec.kind]}=<url> of one that runs`,
      '  - a docker engine (packages/brokers/compose.yaml is used)',
      `  - ${spec.kind === 'rabbitmq' ? 'rabbitmq-server' : 'kafka-server-start.sh'} ${spec.version} on PATH`,
      spec.kind === 'rabbitmq'
        ? '  - Debian 12 or newer as root (a RabbitMQ is put into .brokers, nothing is installed)'
        : '  - java and mvn (Kafka is put into .brokers, nothing is installed)',
    ].join('\n'),
  );
}
