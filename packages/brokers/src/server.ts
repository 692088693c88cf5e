import type { Endpoints, StartOptions } from './options.ts';
import type { Ports } from './ports.ts';
import type { ProcessId } from './processes.ts';
import type { BrokerSpec } from './spec.ts';

/** Where a broker comes from. */
export type Recipe = 'environment' | 'docker' | LocalRecipe;
/** Those that run processes of ours. */
export type LocalRecipe = 'path' | 'fetched';

/** How one server is run in a folder of its own. Knows nothing of records and locks. */
export interface Server {
  readonly endpoints: Endpoints;
  /** The file a client has to trust, when there are TLS listeners. */
  readonly ca: string | undefined;
  readonly logFile: string;
  /** Fresh folder: configuration, certificates, format. */
  prepare(): Promise<void>;
  /** Starts on the folder's data, old or new; the first process is the server itself. */
  launch(): Promise<readonly ProcessId[]>;
  /** One protocol handshake; resolves to the server's version, rejects while it is not ready. */
  handshake(): Promise<string>;
  ctl(args: readonly string[]): Promise<string>;
}

/** A server and what it is called among the others of its instance. */
export interface Node {
  readonly name: string;
  readonly server: Server;
}

/** The servers that make up one instance: one of them, or a cluster. */
export interface Assembly {
  readonly endpoints: Endpoints;
  readonly ca: string | undefined;
  readonly nodes: readonly Node[];
  /** How long a node gets to end when all do, in ms. Default 30,000. */
  readonly graceMs?: number;
  /** Starts what all nodes need and none owns. It comes before them and goes after them. */
  launchHelper?(): Promise<readonly ProcessId[]>;
  /** Once, when every node has answered for the first time: what takes servers that run. */
  form?(): Promise<void>;
  /** A handshake with the whole, after those with the nodes; resolves to the version. */
  handshake?(): Promise<string>;
}

/** What an assembly is made from. */
export interface Site {
  readonly spec: BrokerSpec;
  readonly recipe: LocalRecipe;
  /** The instance's own folder. */
  readonly folder: string;
  readonly options: StartOptions;
  /** Ports of the instance's own; to be called once. */
  allocate(names: readonly string[]): Promise<Ports>;
}

export const alone = (server: Server): Assembly => {
  const { endpoints, ca } = server;
  return { endpoints, ca, nodes: [{ name: 'node1', server }] };
};
