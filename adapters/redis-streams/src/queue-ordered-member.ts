import {
  ClaimedPartitions,
  farewell,
  MemberInbox,
  type QueueEvent,
  type QueueMember,
  type Settlement,
  systemClock,
} from '@duobus/core/driver';
import { adoptScript } from './event-scripts.ts';
import { cellsOf } from './queue-cells.ts';
import { Intake } from './queue-intake.ts';
import type { Lease } from './queue-lease.ts';
import { Life } from './queue-life.ts';
import type { Joined } from './queue-member.ts';
import { giveBackUnseen, noteState, settleBatch, type Settled } from './queue-settle.ts';

export interface OrderedOptions {
  readonly credit: number;
  /** The same again for the next member after one that was lost: what it owned is its own still. */
  readonly owner: string;
  /** How many partitions the topic has now. */
  partitions(signal: AbortSignal): Promise<number>;
}

/** A consumer of a subscription with order by key: owns its share of the partitions. */
export class OrderedMember implements QueueMember {
  readonly #joined: Joined;
  readonly #credit: number;
  readonly #life: Life;
  readonly #inbox: MemberInbox<Lease>;
  readonly #claimed: ClaimedPartitions<Intake, Lease>;
  #closing: Promise<void> | undefined;

  static async open(
    joined: Joined,
    options: OrderedOptions,
    signal: AbortSignal,
  ): Promise<OrderedMember> {
    const member = new OrderedMember(joined, options);
    try {
      await member.#claimed.open(signal);
    } catch (error) {
      await member.close();
      throw error;
    }
    return member;
  }

  private constructor(joined: Joined, { credit, owner, partitions }: OrderedOptions) {
    const { scope, id, at } = joined;
    this.#joined = joined;
    this.#credit = credit;
    this.#life = new Life(scope, id, {
      ring: (partition) => this.#ring(partition),
      end: (event) => this.#end(event),
    });
    this.#inbox = new MemberInbox(scope.what, { fresh: () => this.#fresh() });
    this.#claimed = new ClaimedPartitions<Intake, Lease>({
      cells: cellsOf(scope),
      clock: systemClock,
      leaseMs: scope.connection.settings.leaseMs,
      owner,
      inbox: this.#inbox,
      partitions,
      open: (partition, token) => this.#intake(partition, token),
      end: (_, unseen) => giveBackUnseen(scope, id, unseen),
      lost: () => undefined, // whoever has it takes over what was held
      failed: (error) => this.#life.failed(error),
    });
    this.#life.start(at);
  }

  receive(signal: AbortSignal): Promise<readonly QueueEvent[]> {
    return this.#inbox.receive(signal);
  }

  async settle(batch: readonly Settlement[]): Promise<readonly Settled[]> {
    this.#refuseClosed();
    if (this.#inbox.over) return batch.map(() => 'lost');
    return settleBatch(this.#joined.scope, this.#joined.id, batch);
  }

  async note(token: unknown, state: string): Promise<'kept' | 'lost'> {
    this.#refuseClosed();
    if (this.#inbox.over) return 'lost';
    return noteState(this.#joined.scope, this.#joined.id, token, state);
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
    const how = await farewell(async () => {
      await this.#claimed.leave();
      await this.#life.leave();
    });
    this.#life.stop();
    this.#inbox.close();
    this.#joined.left(how);
  }

  /** Two signs of life are given: one for who counts consumers, one for those who share the partitions. */
  #fresh(): Promise<void> | undefined {
    const signs = [this.#life.fresh(), this.#claimed.fresh()].filter((sign) => sign !== undefined);
    return signs.length === 0 ? undefined : Promise.all(signs).then(() => undefined);
  }

  #ring(partition: number | undefined): void {
    if (partition !== undefined) this.#claimed.get(partition)?.ring();
    else for (const intake of this.#claimed.parts) intake.ring();
  }

  async #intake(partition: number, token: number): Promise<Intake> {
    await this.#adopt(partition, token);
    const { scope, id } = this.#joined;
    return new Intake(scope, { partition, token: String(token) }, id, this.#credit, {
      records: (_, records) => this.#inbox.records(partition, records),
      // somebody else owns it by now: the claimant is about to find out
      ended: (status) => status === 'gone' && this.#life.ended(status),
      failed: (error) => this.#life.failed(error),
    });
  }

  /** What earlier owners held comes first, and they can settle no more of it. */
  async #adopt(partition: number, token: number): Promise<void> {
    for (let more: unknown = 1; more === 1; ) {
      const { status, values } = await this.#joined.scope.run(
        adoptScript,
        [partition, token],
        'take over a partition of',
      );
      if (status !== 'ok') {
        this.#life.ended(status);
        return;
      }
      more = values[0];
    }
  }

  #end(event: QueueEvent): void {
    void this.#claimed.stop();
    this.#inbox.end(event);
  }

  #refuseClosed(): void {
    if (this.#closing !== undefined) throw this.#inbox.closed();
  }
}
