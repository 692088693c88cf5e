import { rmSync } from 'node:fs';
import { dockerUp } from './docker.ts';
import { lives, removeInstance, sweep, untilReady } from './instance.ts';
import { withLock } from './lock.ts';
import { lookAround } from './machine.ts';
import { runFolder } from './paths.ts';
import { handshakes, products } from './products.ts';
import { allRecords, type InstanceRecord, readRecord, writeRecord } from './record.ts';
import { chooseRecipe } from './recipe.ts';
import { Runner } from './runner.ts';
import type { LocalRecipe, Recipe } from './server.ts';
import { announce } from './shell.ts';
import { siteOf } from './site.ts';
import { adapterNames, type BrokerKind, type BrokerSpec, parseSpec, urlVariables } from './spec.ts';

/** A broker that tests share; where it came from decides who stops it. */
export interface SharedBroker {
  readonly name: string;
  readonly kind: BrokerKind;
  readonly url: string;
  readonly version: string;
  readonly recipe: Recipe;
  /** False: it was there before. */
  readonly started: boolean;
}

const summary = (record: InstanceRecord, started: boolean): SharedBroker => {
  const { name, kind, version, recipe, endpoints } = record;
  return { name, kind, version, recipe, url: endpoints.plain, started };
};

async function running(name: string): Promise<InstanceRecord | undefined> {
  const record = readRecord(name);
  if (record === undefined || !lives(record)) return undefined;
  const answers = await handshakes[record.kind](record.endpoints.plain).then(
    () => true,
    () => false,
  );
  return answers ? record : undefined;
}

async function startDocker(spec: BrokerSpec): Promise<InstanceRecord> {
  const url = await dockerUp(spec);
  const version = await untilReady(spec.name, { handshake: () => handshakes[spec.kind](url) });
  const { name, kind } = spec;
  return { name, kind, version, recipe: 'docker', endpoints: { plain: url }, processes: [] };
}

async function startProcesses(spec: BrokerSpec, recipe: LocalRecipe): Promise<InstanceRecord> {
  const { name, kind } = spec;
  rmSync(runFolder(name), { recursive: true, force: true });
  const assembly = await products[spec.product].assemble(siteOf(spec, recipe, name, {}));
  const { endpoints } = assembly;
  const record = { name, kind, version: spec.version, recipe, endpoints };
  // written before it is ready: whoever interrupts us can still stop it
  const runner = new Runner(name, assembly, (processes) => writeRecord({ ...record, processes }));
  await runner.prepare();
  announce(`starting ${name} in .brokers/run/${name}`);
  const version = await runner.start().catch(async (error: unknown) => {
    await runner.halt();
    throw error;
  });
  return { ...record, version, processes: runner.processes };
}

/** Brings up the shared instance of that name, or finds it running. Safe to call from many processes. */
export async function up(text: string): Promise<SharedBroker> {
  const spec = parseSpec(text);
  const machine = await lookAround(spec);
  const recipe = chooseRecipe(spec, machine);
  if (recipe === 'environment') {
    const url = machine.environmentUrl ?? '';
    announce(`${spec.kind}: the one ${urlVariables[spec.kind]} names is used as it is`);
    const version = await handshakes[spec.kind](url).catch((error: unknown) => {
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`the broker that ${urlVariables[spec.kind]} names does not answer: ${why}`, {
        cause: error,
      });
    });
    return { name: spec.name, kind: spec.kind, url, version, recipe, started: false };
  }
  await sweep();
  return withLock(spec.name, async () => {
    const present = await running(spec.name);
    if (present !== undefined) return summary(present, false);
    const remains = readRecord(spec.name);
    if (remains !== undefined) await removeInstance(remains);
    const record = await (recipe === 'docker' ? startDocker(spec) : startProcesses(spec, recipe));
    writeRecord(record);
    return summary(record, true);
  });
}

/** Stops shared instances: those named, or all. Private ones only if their owner is gone. */
export async function down(names: readonly string[]): Promise<readonly string[]> {
  const swept = await sweep();
  const wanted = names.map((name) => parseSpec(name).name);
  const records = allRecords().filter(
    ({ name, owner }) => owner === undefined && (wanted.length === 0 || wanted.includes(name)),
  );
  for (const record of records) await withLock(record.name, () => removeInstance(record));
  return [...swept, ...records.map(({ name }) => name)];
}

export interface Status extends SharedBroker {
  readonly state: 'running' | 'not answering' | 'dead';
  readonly private: boolean;
}

export function status(): Promise<readonly Status[]> {
  return Promise.all(
    allRecords().map(async (record) => {
      const about = { ...summary(record, false), private: record.owner !== undefined };
      if (!lives(record)) return { ...about, state: 'dead' as const };
      return handshakes[record.kind](record.endpoints.plain).then(
        () => ({ ...about, state: 'running' as const }),
        () => ({ ...about, state: 'not answering' as const }),
      );
    }),
  );
}

/** Whether a run that is narrowed to some adapters leaves tests of this kind of broker out. */
export function isLeftOut(kind: BrokerKind): boolean {
  const narrowing = process.env['DUOBUS_TEST_ADAPTERS'];
  const adapter = adapterNames[kind];
  if (!narrowing || adapter === undefined) return false;
  return !narrowing.split(',').some((name) => name.trim() === adapter);
}

/** URL for a test: from the environment, else of the shared instance that runs; never starts one. */
export function testUrl(text: BrokerKind | (string & {})): string {
  const spec = parseSpec(text);
  const given = process.env[urlVariables[spec.kind]];
  if (given) return given;
  const record = readRecord(spec.name);
  if (record !== undefined && lives(record)) return record.endpoints.plain;
  throw new Error(
    `no ${spec.name} to test against: run "npm run brokers -- up ${spec.name}", ` +
      `or set ${urlVariables[spec.kind]} to the URL of one`,
  );
}
