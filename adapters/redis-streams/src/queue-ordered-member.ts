import {
  Claimant,
  type QueueEvent,
  type QueueMember,
  type Settlement,
  systemClock,
} from '@duobus/core/driver';
import { adoptScript } from './event-scripts.ts';
import { farewell } from './farewell.ts';
import { cellsOf } from './queue-cells.ts';
import { MemberInbox } from './queue-inbox.ts';
import { Intake } from './queue-intake.ts';
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

/** A partition that is this member's. */
interface Owned {
  readonly token: number;
  /** Once what earlier owners held has been taken over, and the runtime has been told. */
  intake: Intake | undefined;
  revoking: boolean;
}

/** A consumer of a subscription with order by key: owns its share of the partitions. */
export class OrderedMember implements QueueMember {
  readonly #joined: Joined;
  readonly #credit: number;
  readonly #life: Life;
  readonly #inbox: MemberInbox;
  readonly #claimant: Claimant;
  readonly #owned = new Map<number, Owned>();
  #stopped = false;
  #closing: Promise<void> | undefined;

  static async open(
    joined: Joined,
    options: OrderedOptions,
    signal: AbortSignal,
  ): Promise<OrderedMember> {
    const member = new OrderedMember(joined, options);
    try {
      await member.#claimant.open(signal);
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
    this.#inbox = new MemberInbox(scope.what, () => this.#fresh());
    this.#claimant = new Claimant({
      cells: cellsOf(scope),
      clock: systemClock,
      leaseMs: scope.connection.settings.leaseMs,
      id: owner,
      partitions,
      events: {
        assigned: (partition, token) => void this.#assigned(partition, token),
        revoking: (partition, _token, _cause, withinMs) => this.#revoking(partition, withinMs),
        revoked: (partition) => this.#revoked(partition),
        ended: (error) => this.#life.failed(error),
      },
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
    const owned = this.#owned.get(partition);
    if (owned === undefined || this.#inbox.over) return;
    this.#owned.delete(partition);
    await owned.intake?.stop();
    await this.#giveBack(partition);
    await this.#claimant.release(partition, owned.token);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all([...this.#owned.values()].map(async ({ intake }) => intake?.stop()));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const how = await farewell(async () => {
      await this.stop();
      await this.#giveBack();
      await this.#claimant.close();
      await this.#life.leave();
    });
    this.#life.stop();
    this.#inbox.close();
    this.#joined.left(how);
  }

  /** Two signs of life are given: one for who counts consumers, one for those who share the partitions. */
  #fresh(): Promise<void> | undefined {
    const fresh = this.#life.fresh();
    if (!this.#claimant.stale || this.#inbox.over) return fresh;
    return Promise.all([fresh, this.#claimant.untilFresh()]).then(() => undefined);
  }

  #ring(partition: number | undefined): void {
    if (partition !== undefined) this.#owned.get(partition)?.intake?.ring();
    else for (const { intake } of this.#owned.values()) intake?.ring();
  }

  async #assigned(partition: number, token: number): Promise<void> {
    const owned: Owned = { token, intake: undefined, revoking: false };
    this.#owned.set(partition, owned);
    try {
      await this.#adopt(partition, token);
    } catch (error) {
      this.#life.failed(error);
      return;
    }
    if (this.#owned.get(partition) !== owned || this.#stopped || this.#inbox.over) return;
    if (owned.revoking) {
      this.#owned.delete(partition);
      await this.#claimant.release(partition, token).catch((error) => this.#life.failed(error));
      return;
    }
    this.#inbox.push({ type: 'assigned', partition });
    owned.intake = this.#newIntake(partition, token);
    owned.intake.ring();
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

  #newIntake(partition: number, token: number): Intake {
    const { scope, id } = this.#joined;
    return new Intake(scope, { partition, token: String(token) }, id, this.#credit, {
      records: (_, records) => this.#inbox.records(partition, records),
      // somebody else owns it by now: the claimant is about to find out
      ended: (status) => status === 'gone' && this.#life.ended(status),
      failed: (error) => this.#life.failed(error),
    });
  }

  #revoking(partition: number, withinMs: number): void {
    const owned = this.#owned.get(partition);
    if (owned === undefined) return;
    owned.revoking = true;
    if (owned.intake === undefined) return;
    void owned.intake.stop();
    this.#inbox.forget(partition);
    this.#inbox.push({ type: 'revoking', partition, withinMs });
  }

  #revoked(partition: number): void {
    const owned = this.#owned.get(partition);
    if (owned === undefined) return;
    this.#owned.delete(partition);
    void owned.intake?.stop();
    this.#inbox.takeUnseen(partition);
    if (owned.intake !== undefined) this.#inbox.push({ type: 'revoked', partition });
  }

  #giveBack(partition?: number): Promise<void> {
    const { scope, id } = this.#joined;
    return giveBackUnseen(scope, id, this.#inbox.takeUnseen(partition));
  }

  #end(event: QueueEvent): void {
    void this.stop();
    this.#inbox.end(event);
  }

  #refuseClosed(): void {
    if (this.#closing !== undefined) throw this.#inbox.closed();
  }
}
