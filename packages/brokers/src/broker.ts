import { rmSync } from 'node:fs';
import { killProcesses, sweep } from './instance.ts';
import { lookAround } from './machine.ts';
import type { Endpoints, StartOptions } from './options.ts';
import { runFolder } from './paths.ts';
import { identify, type ProcessId, signalGroup, type Usage, usageOf } from './processes.ts';
import { products } from './products.ts';
import { chooseRecipe } from './recipe.ts';
import { writeRecord } from './record.ts';
import { Runner } from './runner.ts';
import type { Assembly, Node, Site } from './server.ts';
import { announce } from './shell.ts';
import { siteOf } from './site.ts';
import { parseSpec } from './spec.ts';

/** One server of a {@link Broker}, to be hurt on its own. */
export interface BrokerNode {
  readonly name: string;
  /** The plain listener; the others are in {@link endpoints}. */
  readonly url: string;
  readonly endpoints: Endpoints;
  /** Starts it again on the same ports and data, and waits until it answers. Does nothing to one that runs. */
  start(): Promise<void>;
  /** Ends it gracefully and starts it again. */
  restart(): Promise<void>;
  /** Ends it gracefully; the data stays for {@link start}. */
  halt(): Promise<void>;
  /** SIGKILL; the data stays for {@link start}. The emulator behind sns-sqs keeps its buckets alone. */
  kill9(): Promise<void>;
  /** SIGSTOP: connections stay open and nobody answers once this has returned. */
  freeze(): void;
  /** SIGCONT. */
  thaw(): void;
  /**
   * RabbitMQ: `rabbitmqctl`. Kafka: a main class and its arguments. Redis: `redis-cli`, which rejects with an error
   * reply. PostgreSQL: `psql -At`. The emulator behind sns-sqs: the name of one of its own verbs, such as `reset`.
   * Resolves to stdout.
   */
  ctl(...args: readonly string[]): Promise<string>;
}

/** A broker of one test's own, beside the shared one, to be hurt at will. In a cluster the verbs are for all nodes. */
export interface Broker extends BrokerNode, AsyncDisposable {
  readonly version: string;
  /** Where it keeps its configuration, its log and its data, until `stop`. */
  readonly folder: string;
  /** PEM file of the authority to trust, when started with `tls`. */
  readonly ca: string | undefined;
  /** The servers it is made of: one, or those of a cluster. */
  readonly nodes: readonly BrokerNode[];
  /** Starts the nodes that are down, and waits until the whole answers: in a cluster, until all are in it again. */
  start(): Promise<void>;
  /** Of the first node. */
  ctl(...args: readonly string[]): Promise<string>;
  /** What its processes have cost so far. Linux only. */
  usage(): Usage;
  /** Ends it and removes its data. Idempotent. */
  stop(): Promise<void>;
}

let serial = 0;

/** What is left when this process ends without `stop`; a process killed outright is swept later. */
function removeAtExit(name: string, processes: () => readonly ProcessId[]): () => void {
  const remove = (): void => {
    for (const leader of processes()) signalGroup(leader, 'SIGKILL');
    rmSync(runFolder(name), { recursive: true, force: true });
  };
  process.once('exit', remove);
  return () => process.off('exit', remove);
}

const nodeOf = (runner: Runner, node: Node): BrokerNode => ({
  name: node.name,
  url: node.server.endpoints.plain,
  endpoints: node.server.endpoints,
  start: () => runner.startNode(node),
  restart: async () => {
    await runner.haltNode(node);
    await runner.startNode(node);
  },
  halt: () => runner.haltNode(node),
  kill9: () => runner.killNode(node),
  freeze: () => runner.freeze(node),
  thaw: () => runner.thaw(node),
  ctl: (...args) => node.server.ctl(args),
});

/** Starts a private instance of a product, put together by `assemble`. */
export async function openBroker(
  text: string,
  options: StartOptions,
  assemble?: (site: Site) => Promise<Assembly>,
): Promise<Broker> {
  const spec = parseSpec(text);
  const machine = await lookAround(spec);
  const recipe = chooseRecipe(spec, { ...machine, environmentUrl: undefined, docker: false });
  if (recipe !== 'path' && recipe !== 'fetched') throw new Error(`cannot start with ${recipe}`);
  await sweep();
  const name = `${spec.name}-${process.pid}-${(serial += 1)}`;
  const site = siteOf(spec, recipe, name, options);
  const assembly = await (assemble ?? products[spec.product].assemble)(site);
  const { endpoints, ca } = assembly;
  const { kind, version: line } = spec;
  const owner = identify(process.pid);
  const runner = new Runner(name, assembly, (processes) =>
    writeRecord({ name, kind, version: line, recipe, endpoints, processes, owner }),
  );
  const keep = removeAtExit(name, () => runner.processes);
  const stop = async (): Promise<void> => {
    await killProcesses(runner.processes);
    keep();
    rmSync(runFolder(name), { recursive: true, force: true });
  };

  announce(`starting ${name} for pid ${process.pid}`);
  let version: string;
  try {
    await runner.prepare();
    version = await runner.start();
  } catch (error) {
    await stop();
    throw error;
  }
  const nodes = assembly.nodes.map((node) => nodeOf(runner, node));
  return {
    name,
    version,
    folder: runFolder(name),
    url: endpoints.plain,
    endpoints,
    ca,
    nodes,
    start: async () => void (await runner.start()),
    restart: async () => {
      await runner.halt();
      await runner.start();
    },
    halt: () => runner.halt(),
    kill9: () => runner.kill(),
    freeze: () => runner.freeze(),
    thaw: () => runner.thaw(),
    ctl: async (...args) => (await nodes[0]?.ctl(...args)) ?? '',
    usage: () => usageOf(runner.processes),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/**
 * Starts a private instance. Environment URLs and docker do not apply: it has to be killable here.
 * A cluster's name (`kafka-cluster`) starts a cluster.
 */
export const startBroker = (text: string, options: StartOptions = {}): Promise<Broker> =>
  openBroker(text, options);
