import {
  type Cells,
  ClaimedPartitions,
  farewell,
  MemberInbox,
  type QueueEvent,
  type QueueMember,
  type Settlement,
  systemClock,
} from '@duobus/core/driver';
import { isHeld, type Lease } from './queue-lease.ts';
import { frozen, lost } from './queue-member-end.ts';
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

/**
 * A consumer of a subscription with order by key: owns its share of the partitions, each with a queue of its own. Of one key
 * SQS hands out nothing more while something is held, to nobody, so that order survives whatever happens to owners.
 */
export class OrderedMember implements QueueMember {
  readonly #scope: Scope;
  readonly #options: OrderedOptions;
  readonly #ended: AbortSignal;
  readonly #inbox: MemberInbox<Lease>;
  readonly #claimed: ClaimedPartitions<Part, Lease>;
  readonly #partOf = new WeakMap<object, Part>();
  readonly #onEnded: () => void;
  #closing: Promise<void> | undefined;

  static async open(
    scope: Scope,
    options: OrderedOptions,
    signal: AbortSignal,
  ): Promise<OrderedMember> {
    const member = new OrderedMember(scope, options);
    try {
      await member.#claimed.open(signal);
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
    this.#inbox = new MemberInbox(scope.what, { isHeld, fresh: () => this.#claimed.fresh() });
    this.#claimed = new ClaimedPartitions<Part, Lease>({
      cells: options.cells,
      clock: systemClock,
      leaseMs: settings.leaseMs,
      owner: options.owner,
      inbox: this.#inbox,
      partitions: (during) => options.partitions(during),
      open: (partition) => this.#part(partition),
      end: (part, unseen) => part.end(unseen),
      // it goes back and keeps its order; what cannot be given back comes back by itself
      lost: (part, unseen) => void part.end(unseen).catch(() => undefined),
      failed: (error) => this.#failed(error),
    });
    this.#onEnded = () => this.#failed(ended.reason);
    ended.addEventListener('abort', this.#onEnded, { once: true });
    if (ended.aborted) this.#onEnded();
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
    await this.#claimed.release(partition);
  }

  stop(): Promise<void> {
    return this.#claimed.stop();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#ended.removeEventListener('abort', this.#onEnded);
    // nobody may sit here before this one has left, however long that takes
    const leaving = this.#claimed.leave().finally(() => this.#options.left());
    await farewell(() => leaving);
    this.#inbox.close();
  }

  async #part(partition: number): Promise<Part> {
    const scope = await this.#options.scopeOf(partition, this.#ended);
    const part: Part = new Part(scope, this.#options, {
      records: (_, records) => {
        for (const lease of records) this.#partOf.set(lease, part);
        this.#inbox.records(partition, records);
      },
      // what comes after one that is lost may not be handled before it
      expired: () => this.#end(frozen(scope.what, scope.connection.settings.visibilityMs)),
      failed: (error) => this.#failed(error),
    });
    return part;
  }

  #failed(error: unknown): void {
    this.#end(lost(this.#scope.what, error));
  }

  #end(event: QueueEvent): void {
    void this.#claimed.stop();
    this.#inbox.end(event);
  }

  #refuseClosed(): void {
    if (this.#closing !== undefined) throw this.#inbox.closed();
  }
}
