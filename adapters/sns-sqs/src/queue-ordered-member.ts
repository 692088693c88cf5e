import {
  type Cells,
  Claimant,
  type QueueEvent,
  type QueueMember,
  type Settlement,
  systemClock,
} from '@duobus/core/driver';
import { farewell } from './queue-farewell.ts';
import { MemberInbox } from './queue-inbox.ts';
import type { Lease } from './queue-lease.ts';
import { frozenConsumer, lostConsumer } from './queue-member-end.ts';
import { Part, type PartOptions } from './queue-part.ts';
import type { Scope } from './queue-scope.ts';
import type { Settled } from './queue-settle.ts';

export interface OrderedOptions extends PartOptions {
  /** What the members share the partitions with. */
  readonly cells: Cells;
  /** The same again for the next member of this process after one that was lost: what it owned is its own still. */
  readonly owner: string;
  /** The scope of a partition's queue, which is made if that was not done yet. */
  scopeOf(partition: number, signal: AbortSignal): Promise<Scope>;
  /** How many partitions the topic has now. */
  partitions(signal: AbortSignal): Promise<number>;
  /** It has ended: its seat is free. */
  left(): void;
}

/** A partition that is this member's. */
interface Owned {
  readonly token: number;
  /** Once the runtime has been told. */
  part: Part | undefined;
  revoking: boolean;
}

/**
 * A consumer of a subscription with order by key: owns its share of the partitions, each with a queue of its own. Of one key
 * SQS hands out nothing more while something is held, to nobody, so that order survives whatever happens to owners.
 */
export class OrderedMember implements QueueMember {
  readonly #scope: Scope;
  readonly #options: OrderedOptions;
  readonly #ended: AbortSignal;
  readonly #inbox: MemberInbox;
  readonly #claimant: Claimant;
  readonly #owned = new Map<number, Owned>();
  readonly #partOf = new WeakMap<object, Part>();
  readonly #lost: () => void;
  #stopped = false;
  #closing: Promise<void> | undefined;

  static async open(
    scope: Scope,
    options: OrderedOptions,
    signal: AbortSignal,
  ): Promise<OrderedMember> {
    const member = new OrderedMember(scope, options);
    try {
      await member.#claimant.open(signal);
    } catch (error) {
      await member.close();
      throw error;
    }
    return member;
  }

  private constructor(scope: Scope, options: OrderedOptions) {
    const { ended, settings } = scope.connection;
    this.#scope = scope;
    this.#options = options;
    this.#ended = ended;
    this.#inbox = new MemberInbox(scope.what, () =>
      this.#claimant.stale && !this.#inbox.over ? this.#claimant.untilFresh() : undefined,
    );
    this.#claimant = new Claimant({
      cells: options.cells,
      clock: systemClock,
      leaseMs: settings.leaseMs,
      id: options.owner,
      partitions: (signal) => options.partitions(signal),
      events: {
        assigned: (partition, token) => void this.#assigned(partition, token),
        revoking: (partition, _token, _cause, withinMs) => this.#revoking(partition, withinMs),
        revoked: (partition) => this.#revoked(partition),
        ended: (error) => this.#failed(error),
      },
    });
    this.#lost = () => this.#failed(ended.reason);
    ended.addEventListener('abort', this.#lost, { once: true });
    if (ended.aborted) this.#lost();
  }

  receive(signal: AbortSignal): Promise<readonly QueueEvent[]> {
    return this.#inbox.receive(signal);
  }

  async settle(batch: readonly Settlement[]): Promise<readonly Settled[]> {
    this.#refuseClosed();
    if (this.#inbox.over) return batch.map(() => 'lost');
    const byPart = new Map<Part, Settlement[]>();
    for (const settlement of batch) {
      const part = this.#partOf.get(settlement.token as object);
      if (part === undefined) continue;
      const known = byPart.get(part);
      if (known === undefined) byPart.set(part, [settlement]);
      else known.push(settlement);
    }
    const settled = new Map<unknown, Settled>();
    await Promise.all(
      [...byPart].map(async ([part, some]) => {
        const results = await part.settle(some);
        some.forEach(({ token }, at) => settled.set(token, results[at] as Settled));
      }),
    );
    return batch.map(({ token }) => settled.get(token) ?? 'lost');
  }

  async note(token: unknown, state: string): Promise<'kept' | 'lost'> {
    this.#refuseClosed();
    const part = this.#partOf.get(token as object);
    if (this.#inbox.over || part === undefined) return 'lost';
    return part.note(token, state);
  }

  async release(partition: number): Promise<void> {
    this.#refuseClosed();
    const owned = this.#owned.get(partition);
    if (owned === undefined || this.#inbox.over) return;
    this.#owned.delete(partition);
    try {
      await owned.part?.end(this.#inbox.takeUnseen(partition));
    } finally {
      // what could not be given back comes back by itself
      await this.#claimant.release(partition, owned.token);
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const { part } of this.#owned.values()) part?.stop();
    await Promise.resolve();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#ended.removeEventListener('abort', this.#lost);
    this.#stopped = true;
    const parts = [...this.#owned.values()].flatMap(({ part }) => part ?? []);
    const leaving = this.#leave(parts);
    await farewell(() => leaving);
    this.#inbox.close();
  }

  /** However long it takes to give everything back: nobody may sit here before this one has left. */
  async #leave(parts: readonly Part[]): Promise<void> {
    try {
      await Promise.allSettled(
        parts.map((part) => part.end(this.#inbox.takeUnseen(part.partition))),
      );
    } finally {
      await this.#claimant.close().finally(() => this.#options.left());
    }
  }

  async #assigned(partition: number, token: number): Promise<void> {
    const owned: Owned = { token, part: undefined, revoking: false };
    this.#owned.set(partition, owned);
    let scope: Scope;
    try {
      scope = await this.#options.scopeOf(partition, this.#ended);
    } catch (error) {
      this.#failed(error);
      return;
    }
    if (this.#owned.get(partition) !== owned || this.#stopped || this.#inbox.over) return;
    if (owned.revoking) {
      this.#owned.delete(partition);
      await this.#claimant.release(partition, token).catch((error) => this.#failed(error));
      return;
    }
    this.#inbox.push({ type: 'assigned', partition });
    owned.part = new Part(scope, this.#options, {
      records: (_, records) => this.#records(owned, partition, records),
      // what comes after one that is lost may not be handled before it
      expired: () => this.#end(frozenConsumer(scope.what, scope.connection.settings.visibilityMs)),
      failed: (error) => this.#failed(error),
    });
    owned.part.start();
  }

  #records({ part }: Owned, partition: number, records: readonly Lease[]): void {
    for (const lease of records) this.#partOf.set(lease, part as Part);
    this.#inbox.records(partition, records);
  }

  #revoking(partition: number, withinMs: number): void {
    const owned = this.#owned.get(partition);
    if (owned === undefined) return;
    owned.revoking = true;
    if (owned.part === undefined) return;
    owned.part.stop();
    this.#inbox.forget(partition);
    this.#inbox.push({ type: 'revoking', partition, withinMs });
  }

  /** Somebody else has it: what was held of it goes back, and keeps its order. */
  #revoked(partition: number): void {
    const owned = this.#owned.get(partition);
    if (owned === undefined) return;
    this.#owned.delete(partition);
    const unseen = this.#inbox.takeUnseen(partition);
    if (owned.part === undefined) return;
    this.#inbox.push({ type: 'revoked', partition });
    // what cannot be given back comes back by itself
    owned.part.end(unseen).catch(() => undefined);
  }

  #failed(error: unknown): void {
    this.#end(lostConsumer(this.#scope.what, error));
  }

  #end(event: QueueEvent): void {
    void this.stop();
    this.#inbox.end(event);
  }

  #refuseClosed(): void {
    if (this.#closing !== undefined) throw this.#inbox.closed();
  }
}
