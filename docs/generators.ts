import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Report } from '@duobus/conformance';
import type { Adapter } from '@duobus/core';
import { kafka } from '@duobus/kafka';
import { memory } from '@duobus/memory';
import { rabbitmq } from '@duobus/rabbitmq';
import { redisStreams } from '@duobus/redis-streams';
import { capabilitiesTable } from './capabilities-table.ts';
import { casesTable, guaranteesTable } from './guarantees-table.ts';
import { documentedOptions, optionsTable } from './options-table.ts';

const repository = fileURLToPath(new URL('../', import.meta.url));
const results = join(repository, 'docs/results');

/** Made, not connected: what they declare is data. */
const adapters: Readonly<Record<string, () => Adapter>> = {
  memory: () => memory(),
  rabbitmq: () => rabbitmq({ url: 'amqp://localhost' }),
  kafka: () => kafka({ brokers: ['localhost:9092'] }),
  'redis-streams': () => redisStreams(),
};

function options(file = '', name = ''): string {
  return optionsTable(documentedOptions(readFileSync(join(repository, file), 'utf8'), name));
}

function capabilities(name = ''): string {
  const adapter = adapters[name];
  if (adapter === undefined) throw new Error(`there is no adapter ${name}`);
  return capabilitiesTable(adapter());
}

/** The reports of the suite that are kept with the documentation, in the order of the adapters above. */
function reports(): readonly Report[] {
  const order = Object.keys(adapters);
  return globSync('*.json', { cwd: results })
    .map((name) => JSON.parse(readFileSync(join(results, name), 'utf8')) as Report)
    .toSorted((a, b) => order.indexOf(a.adapter) - order.indexOf(b.adapter));
}

/** By the first word of a marker; the other words are its arguments. */
export const generators: Readonly<Record<string, (...args: string[]) => string>> = {
  options,
  capabilities,
  guarantees: () => guaranteesTable(reports()),
  cases: () => casesTable(reports()),
};
