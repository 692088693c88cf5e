import { endProcesses, killProcesses, untilReady } from './instance.ts';
import { freezeGroup, isAlive, type ProcessId, signalGroup } from './processes.ts';
import type { Assembly, Node } from './server.ts';

/** Starts and ends the servers of one instance, and knows which processes are whose. */
export class Runner {
  readonly #name: string;
  readonly #assembly: Assembly;
  readonly #onLaunch: (processes: readonly ProcessId[]) => void;
  readonly #processes = new Map<Node, readonly ProcessId[]>();
  #helper: readonly ProcessId[] = [];
  #helperLaunch: Promise<void> | undefined;
  #formed = false;

  /** Whenever something was launched, `onLaunch` is told all there is, before it is ready. */
  constructor(
    name: string,
    assembly: Assembly,
    onLaunch: (processes: readonly ProcessId[]) => void,
  ) {
    this.#name = name;
    this.#assembly = assembly;
    this.#onLaunch = onLaunch;
  }

  get processes(): readonly ProcessId[] {
    return [...this.#processes.values(), this.#helper].flat();
  }

  async prepare(): Promise<void> {
    for (const { server } of this.#assembly.nodes) await server.prepare();
  }

  /** Starts what does not run; resolves to the version when the whole answers. */
  async start(): Promise<string> {
    const { nodes, form, handshake } = this.#assembly;
    await this.#launchHelper();
    await all(nodes.map((node) => this.#launch(node)));
    const versions = await Promise.all(nodes.map((node) => this.#ready(node)));
    if (!this.#formed) await form?.();
    this.#formed = true;
    if (handshake === undefined) return versions[0] ?? 'unknown';
    return untilReady(this.#name, { handshake, processes: () => this.processes });
  }

  async startNode(node: Node): Promise<void> {
    await this.#launchHelper();
    await this.#launch(node);
    await this.#ready(node);
  }

  async halt(): Promise<void> {
    const { nodes, graceMs } = this.#assembly;
    this.thaw(); // a frozen process would not hear SIGTERM
    await Promise.all(nodes.map((node) => endProcesses(this.#of(node), graceMs)));
    await endProcesses(this.#helper);
  }

  async haltNode(node: Node): Promise<void> {
    this.thaw(node);
    await endProcesses(this.#of(node));
  }

  async kill(): Promise<void> {
    await killProcesses(this.processes);
  }

  async killNode(node: Node): Promise<void> {
    await killProcesses(this.#of(node));
  }

  freeze(node?: Node): void {
    for (const leader of this.#led(node)) freezeGroup(leader);
  }

  thaw(node?: Node): void {
    for (const leader of this.#led(node)) signalGroup(leader, 'SIGCONT');
  }

  #led(node: Node | undefined): readonly ProcessId[] {
    return node === undefined ? this.processes : this.#of(node);
  }

  #of(node: Node): readonly ProcessId[] {
    return this.#processes.get(node) ?? [];
  }

  #ready(node: Node): Promise<string> {
    const { server, name } = node;
    const whole = this.#assembly.nodes.length === 1;
    return untilReady(whole ? this.#name : `${name} of ${this.#name}`, {
      handshake: () => server.handshake(),
      processes: () => this.#of(node),
      logFile: server.logFile,
    });
  }

  /** Once, however many nodes are started at the same time. */
  async #launchHelper(): Promise<void> {
    const { launchHelper } = this.#assembly;
    if (launchHelper === undefined) return;
    this.#helperLaunch ??= this.#ensureHelper(launchHelper).finally(() => {
      this.#helperLaunch = undefined;
    });
    await this.#helperLaunch;
  }

  async #ensureHelper(launchHelper: () => Promise<readonly ProcessId[]>): Promise<void> {
    if (isRunning(this.#helper)) return;
    this.#helper = await launchHelper();
    this.#onLaunch(this.processes);
  }

  async #launch(node: Node): Promise<void> {
    if (isRunning(this.#of(node))) return;
    await killProcesses(this.#of(node)); // what a server that crashed has left
    this.#processes.set(node, await node.server.launch());
    this.#onLaunch(this.processes);
  }
}

const isRunning = (processes: readonly ProcessId[]): boolean =>
  processes.length > 0 && processes.every(isAlive);

/** Waits for all even if one fails: what was launched must be known to be ended. */
async function all(launches: readonly Promise<void>[]): Promise<void> {
  const outcomes = await Promise.allSettled(launches);
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
