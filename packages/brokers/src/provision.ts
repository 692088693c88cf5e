import { join } from 'node:path';
import { debianRoot, userIn } from './debian-root.ts';
import { kafkaServer } from './kafka.ts';
import { fetchKafka, kafkaOnPath } from './kafka-libraries.ts';
import { kafkaPorts } from './kafka-properties.ts';
import type { StartOptions } from './options.ts';
import { runFolder } from './paths.ts';
import { allocatePorts } from './ports.ts';
import { type RabbitmqHome, rabbitmqOnPath, rabbitmqPorts, rabbitmqServer } from './rabbitmq.ts';
import type { Server } from './server.ts';
import { type BrokerSpec, rabbitmqSuites } from './spec.ts';

function systemUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  try {
    return userIn('/', 'rabbitmq');
  } catch {
    return undefined;
  }
}

async function rabbitmqHome(spec: BrokerSpec, recipe: 'path' | 'fetched'): Promise<RabbitmqHome> {
  if (recipe === 'fetched') {
    return {
      root: await debianRoot(rabbitmqSuites[spec.version] ?? spec.version, 'rabbitmq-server'),
    };
  }
  const found = await rabbitmqOnPath();
  if (found === undefined) throw new Error('rabbitmq-server has left PATH');
  return { bin: found.bin, user: systemUser() };
}

/** Gets the programs, and ports for the instance; starts nothing. */
export async function provision(
  spec: BrokerSpec,
  recipe: 'path' | 'fetched',
  name: string,
  options: StartOptions,
): Promise<Server> {
  const folder = runFolder(name);
  if (spec.kind === 'rabbitmq') {
    const home = await rabbitmqHome(spec, recipe);
    return rabbitmqServer(home, folder, await allocatePorts(name, rabbitmqPorts), options);
  }
  const libraries = recipe === 'path' ? kafkaOnPath()?.libraries : await fetchKafka();
  if (libraries === undefined) throw new Error('kafka-server-start.sh has left PATH');
  return kafkaServer(libraries, folder, await allocatePorts(name, kafkaPorts), options);
}

export const logFileOf = (name: string): string => join(runFolder(name), 'server.log');
