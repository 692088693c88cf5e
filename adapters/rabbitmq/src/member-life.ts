import { randomUUID } from 'node:crypto';
import { abortable, memberKey } from '@duobus/core/driver';
import { atMost } from './at-most.ts';
import type { AmqpChannel, AmqpMessage } from './client.ts';
import type { Connection } from './connection.ts';
import type { Links } from './folded-stream.ts';
import type { GroupCells } from './group-cells.ts';
import { classify } from './native-errors.ts';
import { consumeKnown } from './stream-consume.ts';
import { lifeQueue } from './topology.ts';

const farewellMs = 1_500;
const patienceMs = 10_000;
/** The message, and the one that renews it. */
const prefetch = 2;
const lifePrefix = 'life/';

export interface LifeOptions {
  readonly links: Links;
  readonly cells: GroupCells;
  /** The member's. */
  readonly id: string;
  /** What the names of its queues begin with. */
  readonly base: string;
  /** What is held for longer is renewed: the broker ends who holds a message for too long. */
  readonly holdMs: number;
  readonly leaseMs: number;
}

interface Neighbour {
  readonly id: string;
  readonly queue: string;
}

/**
 * Lets others know at once that a member's connection has ended, instead of when its lease does. It holds a message in a
 * queue of its own whose next consumer is its neighbour: who gets that message takes the member out of the group.
 * Members stand in a ring, so that each watches one. Whatever fails here is left to the lease.
 */
export class MemberLife {
  readonly #options: LifeOptions;
  readonly #queue: string;
  readonly #over = new AbortController();
  #channel: AmqpChannel | undefined;
  #held: AmqpMessage | undefined;
  #began: () => void = () => undefined;
  #watched: { readonly queue: string; readonly channel: AmqpChannel | undefined } | undefined;
  #last: Promise<void> = Promise.resolve();
  #unwatch: () => void = () => undefined;
  readonly #timers: NodeJS.Timeout[] = [];
  /** Versions of cells of lives without a member, and since when. */
  #alone: ReadonlyMap<string, number> = new Map();

  /** Holds its message, and can be found by its neighbour. */
  static async open(options: LifeOptions, given: AbortSignal): Promise<MemberLife> {
    const life = new MemberLife(options);
    const signal = AbortSignal.any([given, AbortSignal.timeout(patienceMs)]);
    try {
      await life.#hold(signal);
      await life.#show(signal);
    } catch (error) {
      await life.close();
      throw error;
    }
    const { cells, holdMs, leaseMs } = options;
    life.#unwatch = cells.watch(() => life.#turn());
    life.#timers.push(
      setInterval(() => life.#turn(), leaseMs / 2).unref(),
      setInterval(() => life.#renew(), holdMs).unref(),
    );
    return life;
  }

  private constructor(options: LifeOptions) {
    this.#options = options;
    this.#queue = `${options.base}:life:${randomUUID()}`;
  }

  /** The queue goes first, so that nobody takes the end of this connection for a death. */
  async close(): Promise<void> {
    if (this.#over.signal.aborted) return;
    this.#over.abort();
    this.#unwatch();
    for (const timer of this.#timers) clearInterval(timer);
    const channels = [this.#channel, this.#watched?.channel].filter(
      (channel) => channel !== undefined,
    );
    await atMost(farewellMs, async () => {
      await this.#channel?.deleteQueue(this.#queue);
      await Promise.all(channels.map((channel) => channel.close()));
    });
    await atMost(farewellMs, () => this.#hide());
  }

  async #hold(signal: AbortSignal): Promise<void> {
    const connection = await this.#options.links.members(signal);
    let ended = (_reason: Error | undefined): void => undefined;
    const channel = await connection.channel((reason) => ended(reason), signal);
    this.#channel = channel;
    const began = new Promise<void>((resolve, reject) => {
      this.#began = resolve;
      ended = (reason) => reject(classify(reason, 'hold a message'));
    });
    began.catch(() => undefined); // told below, if anybody still waits
    await connection.during(channel.assertQueue(this.#queue, lifeQueue), signal);
    const take = (message: AmqpMessage | null): void => this.#take(message);
    await connection.during(consumeKnown(channel, this.#queue, prefetch, take), signal);
    await this.#send(signal);
    await connection.during(began, signal);
  }

  #renew(): void {
    this.#send(AbortSignal.timeout(patienceMs)).catch(() => undefined); // the lease will tell
  }

  async #send(signal: AbortSignal): Promise<void> {
    const will = { exchange: '', routingKey: this.#queue, body: Buffer.alloc(0), options: {} };
    const [outcome] = await this.#options.links.copies().send([will], signal);
    if (outcome?.status !== 'stored' && outcome !== undefined) throw outcome.error;
  }

  /** The one before has been renewed. */
  #take(message: AmqpMessage | null): void {
    if (message === null || this.#over.signal.aborted) return;
    if (this.#held !== undefined) this.#channel?.ack(this.#held as never);
    this.#held = message;
    this.#began();
  }

  async #show(signal: AbortSignal): Promise<void> {
    const { cells, id } = this.#options;
    const key = lifePrefix + id;
    const value = JSON.stringify({ v: 1, q: this.#queue });
    for (let shown = false; !shown; ) {
      const [known] = await cells.get([key], signal);
      const [result] = await cells.put([{ key, value, ifVersion: known?.version }], false, signal);
      shown = result?.status === 'written';
    }
  }

  async #hide(): Promise<void> {
    const { cells, id } = this.#options;
    const own = cells.current?.get([lifePrefix + id])[0];
    if (own === undefined || queueIn(own.value) !== this.#queue) return;
    const farewell = { key: own.key, value: undefined, ifVersion: own.version };
    await cells.put([farewell], false, AbortSignal.timeout(farewellMs));
  }

  /** Looks whom to watch, one look after the other. */
  #turn(): void {
    if (this.#over.signal.aborted) return;
    this.#last = this.#last.then(() => this.#look()).catch(() => undefined); // the lease will tell
  }

  async #look(): Promise<void> {
    await this.#sweep();
    const neighbour = this.#neighbour();
    if (this.#over.signal.aborted || neighbour?.queue === this.#watched?.queue) return;
    const before = this.#watched?.channel;
    this.#watched = neighbour && { queue: neighbour.queue, channel: undefined };
    if (before !== undefined) await atMost(farewellMs, async () => before.close());
    if (neighbour === undefined) return;
    const signal = AbortSignal.any([this.#over.signal, AbortSignal.timeout(patienceMs)]);
    const connection = await this.#options.links.members(signal);
    const channel = await connection.channel(() => undefined, signal);
    this.#watched = { queue: neighbour.queue, channel };
    const take = (message: AmqpMessage | null): void => {
      if (message !== null) void this.#inherit(connection, neighbour).catch(() => undefined); // the lease will tell
    };
    await connection.during(consumeKnown(channel, neighbour.queue, prefetch, take), signal);
  }

  #neighbour(): Neighbour | undefined {
    const { cells, id } = this.#options;
    const known = new Map((cells.current?.all ?? []).map((cell) => [cell.key, cell]));
    const others = [...known.keys()]
      .filter((key) => key.startsWith(lifePrefix))
      .map((key) => key.slice(lifePrefix.length))
      .filter((other) => other !== id && known.has(memberKey(other)))
      .toSorted();
    const next = others.find((other) => other > id) ?? others[0];
    const queue = next === undefined ? undefined : queueIn(known.get(lifePrefix + next)?.value);
    return next === undefined || queue === undefined ? undefined : { id: next, queue };
  }

  /** What is left of members that were missed by their lease. Who joins has been alone for a moment only. */
  async #sweep(): Promise<void> {
    const { cells, leaseMs } = this.#options;
    const now = Date.now();
    const known = cells.current?.all ?? [];
    const keys = new Set(known.map(({ key }) => key));
    const alone = known.filter(
      ({ key }) => key.startsWith(lifePrefix) && !keys.has(memberKey(key.slice(lifePrefix.length))),
    );
    const before = this.#alone;
    this.#alone = new Map(alone.map(({ version }) => [version, before.get(version) ?? now]));
    const old = alone.filter(({ version }) => now - (this.#alone.get(version) ?? now) > leaseMs);
    const ends = old.map(({ key, version }) => ({ key, value: undefined, ifVersion: version }));
    if (ends.length > 0) await cells.put(ends, false, AbortSignal.timeout(patienceMs));
  }

  /** The member is dead, unless it has begun another life. */
  async #inherit(connection: Connection, { id, queue }: Neighbour): Promise<void> {
    const signal = AbortSignal.any([this.#over.signal, AbortSignal.timeout(patienceMs)]);
    const { cells } = this.#options;
    const found = await cells.get([lifePrefix + id, memberKey(id)], signal);
    const life = found.find(({ key }) => key === lifePrefix + id);
    if (life !== undefined && queueIn(life.value) === queue) {
      const ends = found.map(({ key, version }) => ({ key, value: undefined, ifVersion: version }));
      await cells.put(ends, true, signal);
    }
    await connection.with('remove the queue of a dead member', signal, (channel) =>
      channel.deleteQueue(queue),
    );
    await abortable(this.#last, signal);
    this.#turn();
  }
}

function queueIn(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const raw = JSON.parse(value) as { readonly v?: unknown; readonly q?: unknown };
  return raw.v === 1 && typeof raw.q === 'string' ? raw.q : undefined;
}
