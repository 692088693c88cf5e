import { rmSync } from 'node:fs';
import { endProcesses, killProcesses, sweep, untilReady } from './instance.ts';
import { lookAround } from './machine.ts';
import type { Endpoints, StartOptions } from './options.ts';
import { runFolder } from './paths.ts';
import { identify, type ProcessId, signalGroup } from './processes.ts';
import { provision } from './provision.ts';
import { chooseRecipe } from './recipe.ts';
import { writeRecord } from './record.ts';
import { announce } from './shell.ts';
import { parseSpec } from './spec.ts';

/** A broker of one test's own, beside the shared one, to be hurt at will. */
export interface Broker extends AsyncDisposable {
  readonly name: string;
  readonly version: string;
  /** The plain listener; the others are in {@link endpoints}. */
  readonly url: string;
  readonly endpoints: Endpoints;
  /** PEM file of the authority to trust, when started with `tls`. */
  readonly ca: string | undefined;
  /** Starts it again on the same ports and data, and waits until it answers. */
  start(): Promise<void>;
  /** Ends it gracefully and starts it again. */
  restart(): Promise<void>;
  /** Ends it gracefully; the data stays for {@link start}. */
  halt(): Promise<void>;
  /** SIGKILL; the data stays for {@link start}. */
  kill9(): Promise<void>;
  /** SIGSTOP: connections stay open and nobody answers. */
  freeze(): void;
  /** SIGCONT. */
  thaw(): void;
  /** RabbitMQ: `rabbitmqctl`. Kafka: a main class and its arguments. Resolves to stdout. */
  ctl(...args: readonly string[]): Promise<string>;
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

/** Starts a private instance. Environment URLs and docker do not apply: it has to be killable here. */
export async function startBroker(text: string, options: StartOptions = {}): Promise<Broker> {
  const spec = parseSpec(text);
  const machine = await lookAround(spec);
  const recipe = chooseRecipe(spec, { ...machine, environmentUrl: undefined, docker: false });
  if (recipe !== 'path' && recipe !== 'fetched') throw new Error(`cannot start with ${recipe}`);
  await sweep();
  const name = `${spec.name}-${process.pid}-${(serial += 1)}`;
  const server = await provision(spec, recipe, name, options);
  let processes: readonly ProcessId[] = [];
  const keep = removeAtExit(name, () => processes);
  const { endpoints } = server;

  const start = async (): Promise<string> => {
    processes = await server.launch();
    const owner = identify(process.pid);
    writeRecord({
      name,
      kind: spec.kind,
      version: spec.version,
      recipe,
      endpoints,
      processes,
      owner,
    });
    return untilReady(name, server, processes);
  };
  const halt = async (): Promise<void> => {
    signalAll('SIGCONT'); // a frozen process would not hear SIGTERM
    await endProcesses(processes);
  };
  const signalAll = (signal: NodeJS.Signals): void => {
    for (const leader of processes) signalGroup(leader, signal);
  };
  const stop = async (): Promise<void> => {
    await killProcesses(processes);
    keep();
    rmSync(runFolder(name), { recursive: true, force: true });
  };

  announce(`starting ${name} for pid ${process.pid}`);
  let version: string;
  try {
    await server.prepare();
    version = await start();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    name,
    version,
    url: endpoints.plain,
    endpoints,
    ca: server.ca,
    start: async () => void (await start()),
    restart: async () => {
      await halt();
      await start();
    },
    halt,
    kill9: () => killProcesses(processes),
    freeze: () => signalAll('SIGSTOP'),
    thaw: () => signalAll('SIGCONT'),
    ctl: (...args) => server.ctl(args),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
