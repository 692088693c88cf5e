import type { Adapter, AdapterModule } from '@duobus/core';
import type { Arguments } from './arguments.ts';
import type { Harness } from './harness.ts';
import { imported, shortName, versionsOf } from './installed.ts';
import { overUrl } from './over-url.ts';
import { changed, inProcess } from './severable.ts';

/** What the commands run against, and how to let go of it. */
export interface Target extends AsyncDisposable {
  readonly harness: Harness;
  /** The same, reached through adapters that are changed; memory gets a broker of its own. */
  changed(change: (adapter: Adapter) => Adapter): Harness;
}

/** What of the arguments says where to run. */
export type TargetArguments = Pick<Arguments, 'adapter' | 'url' | 'slow'>;

/** What is used of @duobus/brokers, which is there only in duobus's own repository. */
interface StartedBroker {
  readonly url: string;
  readonly version: string;
  start(): Promise<void>;
  restart(): Promise<void>;
  kill9(): Promise<void>;
  ctl(...args: readonly string[]): Promise<string>;
  stop(): Promise<void>;
}

/** What is used of @duobus/memory. */
interface MemoryModule {
  readonly MemoryBroker: new (name: string) => MemoryBroker;
  memory(broker: MemoryBroker): Adapter;
}

interface MemoryBroker {
  restart(): void;
  eventDepth(topic: string): number;
}

const own: ReadonlyMap<string, string> = new Map([
  ['memory', '@duobus/memory'],
  ['rabbitmq', '@duobus/rabbitmq'],
  ['kafka', '@duobus/kafka'],
  ['redis-streams', '@duobus/redis-streams'],
  ['sns-sqs', '@duobus/sns-sqs'],
]);

/** Adapters whose brokers are started under another name. */
const brokerOf: ReadonlyMap<string, string> = new Map([['redis-streams', 'redis']]);

/** Times that a suite can wait for, where the usual ones are for a service that bills every request. */
const optionsOf: ReadonlyMap<string, Readonly<Record<string, unknown>>> = new Map([
  ['sns-sqs', { visibilityMs: 5_000, leaseMs: 5_000 }],
]);

/** Emulators stand for what cannot be started here; what kills them tells nothing about it. */
const emulators: ReadonlyMap<string, string> = new Map([['sns-sqs', 'ministack']]);

/** @throws Error that says what is missing. */
export async function targetFor(args: TargetArguments): Promise<Target> {
  const { adapter, url, slow } = args;
  if (adapter === 'memory') return memoryTarget(slow);
  if (url === undefined) return startedTarget(adapter ?? '', slow);
  const known = adapter === undefined || own.has(adapter);
  const more = known ? {} : { adapter, module: await imported<AdapterModule>(adapter) };
  const name = adapter === undefined ? url.slice(0, url.indexOf(':')) : shortName(adapter);
  const options = optionsOf.get(name);
  const patient = options === undefined ? {} : { options };
  const harness: Harness = {
    name,
    slow,
    versions: versionsOf(own.get(name) ?? adapter),
    ...overUrl(url, { ...more, ...patient }),
  };
  return {
    harness,
    changed: (change) =>
      changed(
        harness,
        () => adapterOf(own.get(name) ?? adapter ?? name, { url, ...patient }),
        change,
      ),
    [Symbol.asyncDispose]: async () => undefined,
  };
}

async function adapterOf(
  name: string,
  config: Parameters<AdapterModule['createAdapter']>[0],
): Promise<Adapter> {
  return (await imported<AdapterModule>(name)).createAdapter(config);
}

async function memoryTarget(slow: number): Promise<Target> {
  const module = await imported<MemoryModule>('@duobus/memory');
  const versions = versionsOf('@duobus/memory');
  const harnessOf = (change: (adapter: Adapter) => Adapter): Harness => {
    const broker = new module.MemoryBroker('conformance');
    const restart = async (): Promise<void> => broker.restart();
    return {
      name: 'memory',
      slow,
      versions,
      ...inProcess(() => change(module.memory(broker))),
      // Its process is this one: a restart of the broker is all that can happen to it alone.
      faults: { restart, kill9: restart },
      brokerDepth: async (topic) => broker.eventDepth(topic),
    };
  };
  return {
    harness: harnessOf((adapter) => adapter),
    changed: harnessOf,
    [Symbol.asyncDispose]: async () => undefined,
  };
}

async function startedTarget(adapter: string, slow: number): Promise<Target> {
  if (!own.has(adapter))
    throw new Error(`--url is missing: a broker for '${adapter}' cannot be started here`);
  let brokers: { startBroker(spec: string): Promise<StartedBroker> };
  try {
    brokers = await imported('@duobus/brokers');
  } catch (cause) {
    throw new Error(`no broker to run against: start ${adapter} yourself and pass --url`, {
      cause,
    });
  }
  const broker = await brokers.startBroker(brokerOf.get(adapter) ?? adapter);
  const emulator = emulators.get(adapter);
  const options = optionsOf.get(adapter);
  const harness: Harness = {
    name: adapter,
    slow,
    versions: { ...versionsOf(own.get(adapter)), broker: versionOf(broker, emulator) },
    ...overUrl(broker.url, options === undefined ? {} : { options }),
    faults: {
      restart: () => broker.restart(),
      ...(emulator === undefined ? { kill9: () => killed(broker) } : {}),
    },
    ...brokerDepthOf(adapter, broker),
  };
  const config = { url: broker.url, ...(options === undefined ? {} : { options }) };
  return {
    harness,
    changed: (change) =>
      changed(harness, () => adapterOf(own.get(adapter) as string, config), change),
    [Symbol.asyncDispose]: () => broker.stop(),
  };
}

function versionOf({ version }: StartedBroker, emulator: string | undefined): string {
  return emulator === undefined ? version : `emulated (${emulator} ${version})`;
}

async function killed(broker: StartedBroker): Promise<void> {
  await broker.kill9();
  await broker.start();
}

function brokerDepthOf(adapter: string, broker: StartedBroker): Pick<Harness, 'brokerDepth'> {
  if (adapter === 'rabbitmq') return { brokerDepth: (topic) => queuedIn(broker, topic) };
  if (adapter === 'redis-streams') return { brokerDepth: (topic) => streamedIn(broker, topic) };
  if (adapter === 'kafka') return { brokerDepth: (topic) => keptIn(broker, topic) };
  if (adapter === 'sns-sqs') return { brokerDepth: (topic) => waitingIn(broker, topic) };
  return {};
}

/** What Redis's own tool says is in the streams of an event topic. */
async function streamedIn(broker: StartedBroker, topic: string): Promise<number> {
  const keys = await broker.ctl('--scan', '--pattern', `{duobus:e:${topic}}:*`);
  const streams = keys.split('\n').filter((key) => /:(?:log:\d+|own:\d+|dead)$/.test(key));
  const lengths = await Promise.all(streams.map((key) => broker.ctl('xlen', key)));
  return lengths.reduce((sum, length) => sum + Number(length), 0);
}

/** What RabbitMQ's own tool says is in the queues of a topic. */
async function queuedIn(broker: StartedBroker, topic: string): Promise<number> {
  const text = await broker.ctl(
    'list_queues',
    '--quiet',
    '--no-table-headers',
    'name',
    'messages',
    'type',
  );
  const lines = text.split('\n').filter((line) => line.includes(topic) && !line.endsWith('stream'));
  return lines.reduce((sum, line) => sum + Number(line.split('\t')[1] ?? 0), 0);
}

/** What the emulator says is in the queues of a topic. */
async function waitingIn({ url }: StartedBroker, topic: string): Promise<number> {
  const ask = async <Reply>(verb: string, body: object): Promise<Reply> => {
    const response = await fetch(`http://${new URL(url).host}/`, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-amz-json-1.0',
        'x-amz-target': `AmazonSQS.${verb}`,
      },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${verb}: ${response.status} ${await response.text()}`);
    return (await response.json()) as Reply;
  };
  const { QueueUrls = [] } = await ask<{ QueueUrls?: readonly string[] }>('ListQueues', {
    QueueNamePrefix: `duobus-${topic}-`,
  });
  let kept = 0;
  for (const QueueUrl of QueueUrls) {
    const AttributeNames = ['', 'NotVisible', 'Delayed'].map(
      (which) => `ApproximateNumberOfMessages${which}`,
    );
    const { Attributes } = await ask<{ Attributes: Readonly<Record<string, string>> }>(
      'GetQueueAttributes',
      { QueueUrl, AttributeNames },
    );
    for (const name of AttributeNames) kept += Number(Attributes[name] ?? 0);
  }
  return kept;
}

/** What of kafkajs' admin client is used here. */
interface KafkaAdmin {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  listTopics(): Promise<readonly string[]>;
  fetchTopicOffsets(
    topic: string,
  ): Promise<
    readonly { readonly partition: number; readonly low: string; readonly high: string }[]
  >;
}

/** What Kafka says is in the topic of an event topic, and in the retries and dead letters of its subscriptions. */
async function keptIn(broker: StartedBroker, topic: string): Promise<number> {
  const { createAdapter } = await imported<AdapterModule>('@duobus/kafka');
  const { queue } = createAdapter({ url: broker.url }) as Adapter<{ admin(): KafkaAdmin }>;
  const admin = queue?.native.admin();
  if (admin === undefined) throw new Error('the adapter for Kafka has no event bus');
  await admin.connect();
  try {
    const own = `__duobus.subscription.${topic}.`;
    let kept = 0;
    for (const name of await admin.listTopics()) {
      if (name !== `__duobus.event.${topic}` && !name.startsWith(own)) continue;
      for (const { partition, low, high } of await admin.fetchTopicOffsets(name)) {
        // the third partition of a subscription's own topic is where its pointers are kept once more
        if (!name.startsWith(own) || partition < 2) kept += Number(high) - Number(low);
      }
    }
    return kept;
  } finally {
    await admin.disconnect();
  }
}
