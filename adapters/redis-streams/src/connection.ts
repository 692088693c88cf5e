import { BusError } from '@duobus/core/driver';
import { Cluster } from 'ioredis';
import { Bells } from './bells.ts';
import type { Client, Purpose } from './client.ts';
import { awaitKept, waitsForMore } from './kept.ts';
import { Link, nodesOf } from './link.ts';
import { classify, isMisled, refusesLogin, withoutCommand } from './native-errors.ts';
import type { Settings } from './options.ts';
import type { Script } from './script.ts';
import { checkServer } from './server-check.ts';
import { endTornWrite } from './whole-writes.ts';

/** Where a script is run: what publishes does not wait behind what reads. */
export type Lane = 'publishing' | 'commands';

export type ScriptArgument = string | Buffer | number;

/** The connections of one half of a bus: at most three, however many topics and members there are. */
export class Connection {
  readonly settings: Settings;
  readonly #links = new Map<Purpose, Link>();
  readonly #bells = new Bells();
  #ended = new AbortController();
  #closed = false;

  constructor(settings: Settings) {
    this.settings = settings;
    this.#ended.abort(this.#unavailable());
  }

  /** @throws BusError DUOBUS_UNAVAILABLE while it is not connected, DUOBUS_CLOSED */
  get publishing(): Client {
    return this.#usable('publishing');
  }

  /** @throws BusError DUOBUS_UNAVAILABLE while it is not connected, DUOBUS_CLOSED */
  get commands(): Client {
    return this.#usable('commands');
  }

  /** For `native`: what there is, connected or not. */
  client(lane: Lane): Client | undefined {
    return this.#links.get(lane)?.client;
  }

  /** Aborted, with the error to tell, when commands or bells are lost: whatever relies on them is over then. Another
   *  one after the next `open`. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** Replaces what is broken and keeps what works. */
  async open(signal: AbortSignal): Promise<void> {
    this.#refuseClosed();
    await Promise.all([this.#connect('publishing', signal), this.#connectMembers(signal)]);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#ended.abort(this.#closedError());
    for (const link of this.#links.values()) link.end();
  }

  /** Runs a script. Replies are strings and numbers.
   *  @throws BusError of what went wrong; `tried` completes "cannot ..." */
  run(
    lane: Lane,
    code: Script,
    keys: readonly string[],
    args: readonly ScriptArgument[],
    tried = 'run a script',
  ): Promise<unknown> {
    return this.#run(lane, code, keys, args, tried, false);
  }

  /** As `run`, and resolves only when what was written is where the settings want it: in replicas, on disks. A script that is run
   *  again writes again, however little: else there is nothing that this connection could wait for.
   *  @param wrote whether there is anything to wait for */
  async runKept(
    lane: Lane,
    code: Script,
    keys: readonly string[],
    args: readonly ScriptArgument[],
    tried?: string,
    wrote: (reply: unknown) => boolean = () => true,
  ): Promise<unknown> {
    const client = this.#usable(lane);
    const reply = await this.run(lane, code, keys, args, tried);
    if (waitsForMore(this.settings) && wrote(reply))
      await awaitKept(client, keys[0] as string, this.settings);
    return reply;
  }

  /** As `run`, with Buffers for strings. */
  runBuffer(
    lane: Lane,
    code: Script,
    keys: readonly string[],
    args: readonly ScriptArgument[],
    tried = 'run a script',
  ): Promise<unknown> {
    return this.#run(lane, code, keys, args, tried, true);
  }

  /** What `work` gets from the client, with errors as the runtime takes them. */
  async with<T>(lane: Lane, tried: string, work: (client: Client) => Promise<T>): Promise<T> {
    const client = this.#usable(lane);
    try {
      return await work(client);
    } catch (error) {
      this.suspect(lane, client, error);
      throw this.#classify(error, tried);
    }
  }

  /** Ends the connection if the error says that it leads to the wrong place: `open` then finds the right one. */
  suspect(lane: Lane, client: Client, error: unknown): void {
    const link = this.#links.get(lane);
    if (link?.client !== client || client instanceof Cluster || !isMisled(error)) return;
    link.end();
  }

  /** Calls `onRing` with what is published to a channel, and with '' once nothing is missed any more. All share one
   *  connection. Returns what ends it. */
  listen(channel: string, onRing: (message: string) => void): () => void {
    return this.#bells.listen(channel, onRing);
  }

  async #run(
    lane: Lane,
    { sha, lua }: Script,
    keys: readonly string[],
    args: readonly ScriptArgument[],
    tried: string,
    buffers: boolean,
  ): Promise<unknown> {
    const rest = [keys.length, ...keys, ...args];
    return this.with(lane, tried, async (client) => {
      const call = (name: string, code: string): Promise<unknown> =>
        buffers ? client.callBuffer(name, code, ...rest) : client.call(name, code, ...rest);
      try {
        return await call('evalsha', sha);
      } catch (error) {
        // a server forgets its scripts with a restart or a failover
        if (!(error as Error).message.startsWith('NOSCRIPT')) throw error;
        return await call('eval', lua);
      }
    });
  }

  async #connectMembers(signal: AbortSignal): Promise<void> {
    const commands = await this.#connect('commands', signal);
    // a cluster's client has a connection of its own for what it is subscribed to
    const bell =
      commands.client instanceof Cluster ? commands : await this.#connect('bell', signal);
    if (!this.#ended.signal.aborted) return;
    this.#ended = new AbortController();
    this.#bells.attach(bell.client);
    if (!commands.alive || !bell.alive) this.#lost();
  }

  async #connect(purpose: Purpose, signal: AbortSignal): Promise<Link> {
    const known = this.#links.get(purpose);
    if (known?.alive === true) {
      await known.refresh(signal);
      return known;
    }
    known?.end();
    const link = await Link.open(
      this.settings,
      purpose,
      () => purpose !== 'publishing' && this.#lost(),
      signal,
    );
    if (this.#closed) link.end();
    this.#refuseClosed();
    try {
      if (purpose === 'commands') {
        for (const node of nodesOf(link.client)) {
          await checkServer(node, this.settings);
          await endTornWrite(node, this.settings.where);
        }
      }
    } catch (error) {
      link.end();
      throw error;
    }
    this.#links.set(purpose, link);
    return link;
  }

  /** Commands without bells would be deaf, bells without commands mute: both are made anew. */
  #lost(): void {
    if (this.#closed || this.#ended.signal.aborted) return;
    const reason = this.#links.get('commands')?.reason ?? this.#links.get('bell')?.reason;
    this.#ended.abort(this.#unavailable(reason));
    for (const purpose of ['commands', 'bell'] as const) this.#links.get(purpose)?.end();
  }

  #usable(lane: Lane): Client {
    this.#refuseClosed();
    const link = this.#links.get(lane);
    if (link?.alive === true) return link.client;
    throw this.#unavailable(link?.reason);
  }

  /** A closed connection is the reason for whatever failed with it. */
  #classify(error: unknown, tried: string): BusError {
    if (this.#closed) return this.#closedError(error);
    // a node of a cluster that was connected to anew: the whole client is made again
    if (this.settings.secrets.asks && refusesLogin(error))
      return this.#unavailable(error as Error, error);
    return classify(error, tried);
  }

  #unavailable(reason?: Error, cause?: unknown): BusError {
    const said = reason === undefined ? '' : ` (${reason.message})`;
    return new BusError(
      'DUOBUS_UNAVAILABLE',
      `Redis: not connected to ${this.settings.where}${said}; the connection is opened again`,
      {
        retryable: true,
        ...(cause === undefined ? {} : { cause: withoutCommand(cause as Error) }),
      },
    );
  }

  #refuseClosed(): void {
    if (this.#closed) throw this.#closedError();
  }

  #closedError(cause?: unknown): BusError {
    return new BusError('DUOBUS_CLOSED', 'this connection to Redis was closed: connect again', {
      cause,
    });
  }
}
