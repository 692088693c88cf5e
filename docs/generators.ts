import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cases, casesTable, type Report, stalenessTable } from '@duobus/conformance';
import type { Adapter } from '@duobus/core';
import { kafka } from '@duobus/kafka';
import { memory } from '@duobus/memory';
import { rabbitmq } from '@duobus/rabbitmq';
import { redisStreams } from '@duobus/redis-streams';
import { snsSqs } from '@duobus/sns-sqs';
import { capabilitiesTable } from './capabilities-table.ts';
import { type Costs, costsTable } from './costs-table.ts';
import { type FaultFigures, faultsTable, type ScaleFigures, scaleTable } from './figures-table.ts';
import { guaranteesTable, promisesTable } from './guarantees-table.ts';
import { type Installed, installedTable } from './installed-table.ts';
import { documentedOptions, optionsTable } from './options-table.ts';
import {
  type OutboxKills,
  outboxKillsTable,
  type OutboxSpeed,
  outboxSpeedTable,
} from './outbox-table.ts';
import { type Permissions, policies } from './policies.ts';
import { type Green, stepsTable } from './steps-table.ts';
import { type StoreFigures, storesTable } from './stores-table.ts';

const repository = fileURLToPath(new URL('../', import.meta.url));
const results = join(repository, 'docs/results');

/** Made, not connected: what they declare is data. */
const adapters: Readonly<Record<string, () => Adapter>> = {
  memory: () => memory(),
  rabbitmq: () => rabbitmq({ url: 'amqp://localhost' }),
  kafka: () => kafka({ brokers: ['localhost:9092'] }),
  'redis-streams': () => redisStreams(),
  'sns-sqs': () => snsSqs({ bucket: 'my-bucket' }),
};

/** One table of one interface, or of several that are given together; of `Partial<Name>` nothing is required. */
function options(file = '', ...names: readonly string[]): string {
  const source = readFileSync(join(repository, file), 'utf8');
  return optionsTable(
    names.flatMap((given) => {
      const name = /^Partial<(\w+)>$/.exec(given)?.[1] ?? given;
      const found = documentedOptions(source, name);
      return name === given ? found : found.map((option) => ({ ...option, required: false }));
    }),
  );
}

function capabilities(name = ''): string {
  const adapter = adapters[name];
  if (adapter === undefined) throw new Error(`there is no adapter ${name}`);
  return capabilitiesTable(adapter());
}

/** What is kept with the documentation of runs of one kind, in the order of the adapters above. */
function kept(folder: string): readonly { readonly adapter: string }[] {
  const order = Object.keys(adapters);
  return globSync('*.json', { cwd: join(results, folder) })
    .toSorted()
    .map(
      (name) =>
        JSON.parse(readFileSync(join(results, folder, name), 'utf8')) as {
          readonly adapter: string;
        },
    )
    .toSorted((a, b) => order.indexOf(a.adapter) - order.indexOf(b.adapter));
}

/** What tests have found out. */
function found(file: string): unknown {
  return JSON.parse(readFileSync(join(results, file), 'utf8'));
}

/** Runs of that kind through an outbox, by store. */
function outboxRuns(what: string): readonly unknown[] {
  return globSync(`outbox/${what}-*.json`, { cwd: results })
    .toSorted()
    .map((name) => found(name));
}

/** By the first word of a marker; the other words are its arguments. */
export const generators: Readonly<Record<string, (...args: string[]) => string>> = {
  options,
  capabilities,
  guarantees: () => guaranteesTable(kept('.') as readonly Report[]),
  promises: () => promisesTable(cases),
  cases: () => casesTable(kept('.') as readonly Report[]),
  staleness: () => stalenessTable(kept('.') as readonly Report[]),
  installed: () => installedTable(kept('installed') as readonly Installed[]),
  scale: (shape = '') => scaleTable(kept('scale') as readonly ScaleFigures[], shape),
  steps: () => stepsTable(found('steps/cases.json') as Green),
  costs: () => costsTable(found('costs/sns-sqs.json') as Costs),
  permissions: () => policies(found('permissions/sns-sqs.json') as Permissions),
  'outbox-kills': () => outboxKillsTable(outboxRuns('kills') as readonly OutboxKills[]),
  'outbox-speed': () => outboxSpeedTable(outboxRuns('speed') as readonly OutboxSpeed[]),
  stores: () => storesTable(found('stores/stores.json') as StoreFigures),
  faults: () => faultsTable(kept('faults') as readonly FaultFigures[]),
};
